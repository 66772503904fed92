import { FrontendService } from '../../../coordination/frontend-service.ts';
import type { PlaneScheduling } from '../../../coordination/plane-constructs.ts';
import { errorMessage } from '../../../errors.ts';

/**
 * A process with the front ends of several domains: each with its own control file, doorbell and fast plane, as if it
 * were alone. 64 processes would measure how a small machine copes with 64 processes.
 */
export type FrontHostsCall =
  | {
      readonly call: 'start';
      readonly runDir: string;
      readonly domains: readonly string[];
      readonly scheduling: PlaneScheduling;
    }
  | { readonly call: 'stop' };

const fronts: FrontendService[] = [];

async function obey(call: FrontHostsCall): Promise<void> {
  if (call.call === 'stop') {
    for (const front of fronts.splice(0)) await front.stop();
    return;
  }
  for (const domain of call.domains) {
    const front = new FrontendService({
      runDir: call.runDir,
      domain,
      scheduling: call.scheduling,
      reserveChunks: 0,
      answer: () => undefined,
      onNotice: () => {},
      onBackendGone: () => process.exit(1),
    });
    await front.start();
    fronts.push(front);
  }
}

process.on('message', (call: FrontHostsCall) => {
  obey(call).then(
    () => process.connected && process.send!({}),
    (error) => process.connected && process.send!({ error: errorMessage(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
