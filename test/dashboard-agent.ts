/** An agent's telemetry without an agent: a real publisher that reports what a test has it report, and takes marks. */
import { domainCommands } from '../src/agent/domain-commands.ts';
import { systemClock } from '../src/clock.ts';
import { Publisher } from '../src/telemetry/publisher.ts';
import { Reporter } from '../src/telemetry/reporter.ts';
import { Stamper } from '../src/telemetry/stamp.ts';
import { bytes } from '../src/units.ts';

export class ReportingAgent {
  readonly reporter: Reporter;
  readonly #publisher: Publisher;

  constructor(url: string, domain: string) {
    const stamper = new Stamper({
      clock: systemClock,
      bootId: 'a4e5b3a2-0d6b-4a7e-9f63-0a1b2c3d4e5f',
      readSyncState: () => ({ known: true, synced: true }),
    });
    this.#publisher = new Publisher({
      owner: { base: 'memtide', vehicle: 'demo', domain },
      url,
      protocolVersion: 4,
      keepaliveSeconds: 20,
      clock: systemClock,
      stamper,
      birth: { memtide: '0.1.0', node: 'v20', kernel: '6.1', arch: 'x64', mode: 'hypervisor' },
      commands: async () =>
        domainCommands({
          probe: () => ({ kind: 'skipped', reason: 'this agent has no memory' }),
          mark: (source, label) => this.reporter.mark(source, label),
          fixReserve: () => {},
        }),
      reconnectMillis: 100,
    });
    this.reporter = new Reporter(stamper, [this.#publisher]);
  }

  start(): Promise<void> {
    return this.#publisher.start();
  }

  stop(): Promise<void> {
    return this.#publisher.stop();
  }

  /** What a domain of a board reports in one turn. */
  report(leasedMib: number): void {
    const mib = (count: number) => bytes(count * 1024 * 1024);
    const at = systemClock.monotonicMicros();
    this.reporter.pressure({
      atMicros: at,
      scope: 'domain',
      usedBytes: mib(leasedMib),
      psi: { someAvg10Percent: 1, fullAvg10Percent: 0.5, someTotalMicros: 1, fullTotalMicros: 1 },
    });
    this.reporter.alloc({
      leasedBytes: mib(leasedMib),
      reserveBytes: mib(8),
      offeredBytes: mib(4),
      poolBytes: mib(64),
    });
  }
}
