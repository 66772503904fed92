import { systemClock } from '../clock.ts';
import type { BackendCall } from '../coordination/agent-protocol.ts';
import type { BackendService } from '../coordination/backend-service.ts';
import type { CoordinationPort } from '../coordination/coordination-port.ts';
import { MqttLinkServer } from '../coordination/mqtt-link-server.ts';
import type { Mode } from '../records.ts';
import type { BudgetMover } from './budget-mover.ts';

/** The back end's links over MQTT: domains that share no memory with this machine, and a second way to those that do. */
export function remoteDomains(parts: {
  readonly port: CoordinationPort;
  readonly service: BackendService;
  readonly mover: BudgetMover;
  readonly mode: Mode;
  readonly met: (domain: string, connected: boolean, limitBytes?: number) => void;
  readonly heard: (domain: string, call: BackendCall) => void;
}): MqttLinkServer {
  const { port, service, mover, mode, met, heard } = parts;
  return new MqttLinkServer({
    port,
    domains: service.domainNames,
    clock: systemClock,
    host: {
      admit: (domain, sharesMemory) => {
        if (!sharesMemory && service.isConnected(domain))
          return { ok: false, error: `domain "${domain}" has an agent on the back end’s own machine` };
        const budgetBytes = mover.limitOf(domain);
        return { ok: true, welcome: { mode, ...(budgetBytes === undefined ? {} : { budgetBytes }) } };
      },
      joined: (domain, limitBytes) => met(domain, true, limitBytes),
      left: (domain) => met(domain, false),
      call: (domain, call) => (call.op === 'need' ? service.need(domain, call) : heard(domain, call)),
    },
  });
}
