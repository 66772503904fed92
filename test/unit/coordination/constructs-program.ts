/**
 * A process with scheduler constructs on its main thread, for tests that need other rights or must not survive.
 * `report` prints what came of all constructs; `hang` never sleeps again, if it is in real time.
 */
import { PlaneConstructs } from '../../../src/coordination/plane-constructs.ts';
import { boundRealtime } from '../../../src/coordination/realtime-guard.ts';
import { sessionGroup } from '../../../src/native/session-group.ts';
import { callingThread } from '../../../src/native/thread-scheduling.ts';

const constructs = new PlaneConstructs({
  thread: callingThread,
  session: sessionGroup,
  spin: () => true,
  boundRealtime,
});
const reports = constructs.apply({ nice: -5, policy: 'fifo', fifoPriority: 3, cpu: 0, spinMicros: 1 });
process.stdout.write(`${JSON.stringify(reports)}\n`);
if (process.argv[2] === 'hang' && constructs.fifoPriority > 0) for (;;);
