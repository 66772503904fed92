import type { BurstRecord } from '../records.ts';
import { parseTopic } from '../telemetry/topics.ts';
import { burstRecordOf } from '../telemetry/wire.ts';
import { readReport } from '../telemetry/wire-read.ts';

/** What the demonstration knows of one domain, from what its agent publishes. Sizes in bytes; absent is not yet known. */
export interface DomainState {
  usedBytes?: number;
  limitBytes?: number;
  leasedBytes?: number;
  reserveBytes?: number;
  offeredBytes?: number;
  stallPercent?: number;
  bursts: number;
  refused: number;
}

/** Everything the live view shows, gathered from MQTT messages. */
export class LiveState {
  readonly domains = new Map<string, DomainState>();
  /** Newest last. */
  readonly recent: BurstRecord[] = [];
  readonly records: BurstRecord[] = [];
  poolBytes: number | undefined;
  readonly idleSamples: number[] = [];
  readonly #base: string;

  constructor(base: string, domains: readonly string[]) {
    this.#base = base;
    for (const name of domains) this.domains.set(name, { bursts: 0, refused: 0 });
  }

  /** Takes one message. What cannot be read is passed over: the view is no place to complain about a peer. */
  take(topic: string, content: Buffer): void {
    const parsed = parseTopic(this.#base, topic);
    if (!parsed) return;
    const domain = this.domains.get(parsed.domain);
    if (parsed.leaf === 'tele/alloc') {
      const alloc = readReport('tele/alloc', content);
      if (!alloc.ok) return;
      if (alloc.payload.pool_bytes !== undefined) this.poolBytes = alloc.payload.pool_bytes;
      if (!domain) return;
      assign(domain, 'limitBytes', alloc.payload.limit_bytes);
      assign(domain, 'leasedBytes', alloc.payload.leased_bytes);
      assign(domain, 'reserveBytes', alloc.payload.reserve_bytes);
      assign(domain, 'offeredBytes', alloc.payload.offered_bytes);
      this.#sampleIdle();
    } else if (!domain) {
      return;
    } else if (parsed.leaf === 'tele/mem') {
      const mem = readReport('tele/mem', content);
      if (mem.ok) assign(domain, 'usedBytes', mem.payload.used_bytes);
    } else if (parsed.leaf === 'tele/psi') {
      const psi = readReport('tele/psi', content);
      if (psi.ok) domain.stallPercent = psi.payload.some_avg10_percent;
    } else if (parsed.leaf === 'event/burst') {
      const burst = readReport('event/burst', content);
      if (burst.ok) this.#burst(domain, burstRecordOf(burst.payload));
    }
  }

  #burst(domain: DomainState, record: BurstRecord): void {
    domain.bursts++;
    if (record.outcome === 'refused') domain.refused++;
    this.records.push(record);
    this.recent.push(record);
    if (this.recent.length > RECENT) this.recent.shift();
  }

  /** Idle is what is warm and lent to nobody: the reserves and the pool. */
  #sampleIdle(): void {
    if (this.poolBytes === undefined) return;
    let idle = this.poolBytes;
    for (const { reserveBytes = 0 } of this.domains.values()) idle += reserveBytes;
    this.idleSamples.push(idle);
  }
}

const RECENT = 64;

function assign<Key extends keyof DomainState>(
  domain: DomainState,
  key: Key,
  value: DomainState[Key] | undefined,
): void {
  if (value !== undefined) domain[key] = value;
}
