import type { BackendOptions } from '../../coordination/backend-options.ts';
import { BackendService } from '../../coordination/backend-service.ts';
import { FrontendService } from '../../coordination/frontend-service.ts';
import type { PlaneScheduling } from '../../coordination/plane-constructs.ts';
import { errorMessage } from '../../errors.ts';

/**
 * A process of the bench: the back end, or the front end of one domain, without telemetry. Its parent talks to it over
 * the IPC channel of child_process; when the parent goes, it goes.
 */
export type HostStart =
  | { readonly role: 'backend'; readonly options: BackendOptions }
  | {
      readonly role: 'frontend';
      readonly runDir: string;
      readonly domain: string;
      readonly reserveChunks: number;
      readonly scheduling: PlaneScheduling;
    };

export type HostCall =
  | { readonly call: 'start'; readonly start: HostStart }
  | { readonly call: 'figures' }
  | { readonly call: 'scheduling'; readonly scheduling: PlaneScheduling }
  | { readonly call: 'reserve'; readonly chunks: number }
  | {
      readonly call: 'limits';
      readonly domain: string;
      readonly floor: number;
      readonly ceiling: number;
      readonly offer: number;
    }
  | { readonly call: 'stop' };

let backend: BackendService | undefined;
let frontend: FrontendService | undefined;

async function obey(call: HostCall): Promise<unknown> {
  switch (call.call) {
    case 'start':
      return start(call.start);
    case 'figures':
      return (backend ?? frontend)!.figures();
    case 'scheduling':
      return (backend ?? frontend)!.setScheduling(call.scheduling);
    case 'reserve':
      return frontend!.setReserve(call.chunks);
    case 'limits':
      return backend!.setLimits(call.domain, {
        floorChunks: call.floor,
        ceilingChunks: call.ceiling,
        offerChunks: call.offer,
      });
    case 'stop':
      await frontend?.stop();
      await backend?.stop();
      return undefined;
  }
}

async function start(begin: HostStart): Promise<unknown> {
  if (begin.role === 'backend') {
    backend = new BackendService(begin.options);
    await backend.start();
    return backend.arenaFacts;
  }
  frontend = new FrontendService({
    runDir: begin.runDir,
    domain: begin.domain,
    scheduling: begin.scheduling,
    reserveChunks: begin.reserveChunks,
    answer: () => undefined,
    onNotice: () => {},
    onBackendGone: () => process.exit(1),
  });
  await frontend.start();
  return undefined;
}

process.on('message', (call: HostCall) => {
  obey(call).then(
    (answer) => process.connected && process.send!({ answer }),
    (error) => process.connected && process.send!({ error: errorMessage(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
