import { PlaneConstructs, type PlaneScheduling } from '../../../coordination/plane-constructs.ts';
import { boundRealtime } from '../../../coordination/realtime-guard.ts';
import { errorMessage } from '../../../errors.ts';
import { sessionGroup } from '../../../native/session-group.ts';
import { callingThread } from '../../../native/thread-scheduling.ts';
import { HandshakeLink } from '../handshake-link.ts';

/**
 * A process of the bench that stands for a front end's fast plane: it sleeps, shakes hands with the back end, and sleeps
 * again, under the same scheduler constructs.
 */
export type ProbeCall =
  | { readonly call: 'connect'; readonly runDir: string }
  | { readonly call: 'scheduling'; readonly scheduling: PlaneScheduling }
  /** Answers with microseconds, one a handshake. */
  | { readonly call: 'shake'; readonly count: number };

/** Both sides sleep by then; many times as long as a handshake, so that no scheduler takes the probe for a hog. */
const PAUSE_MILLIS = 0.2;

const pause = new Int32Array(new SharedArrayBuffer(4));
let link: HandshakeLink | undefined;
const constructs = new PlaneConstructs({
  thread: callingThread,
  session: sessionGroup,
  spin(micros) {
    if (link) link.waiter.spinMicros = micros;
    return link !== undefined;
  },
  boundRealtime,
});

async function obey(call: ProbeCall): Promise<unknown> {
  if (call.call === 'connect') {
    link = await HandshakeLink.open(call.runDir);
    return undefined;
  }
  if (call.call === 'scheduling') return constructs.apply(call.scheduling);
  const micros: number[] = [];
  for (let shake = 0; shake < call.count; shake++) {
    Atomics.wait(pause, 0, 0, PAUSE_MILLIS);
    micros.push(link!.shake());
  }
  return micros;
}

process.on('message', (call: ProbeCall) => {
  obey(call).then(
    (answer) => process.connected && process.send!({ answer }),
    (error) => process.connected && process.send!({ error: errorMessage(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
