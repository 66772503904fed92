/**
 * Everything that a drive tells, ready to be drawn: a fold over its lines, the same for a live drive and for one of a file.
 * The lines may be of anybody's making.
 */
import { DriveClocks, type DriveTime, type TimeSource } from '../../../telemetry/drive/clocks.ts';
import type { DriveLine, DriveMessage } from '../../../telemetry/drive/format.ts';
import { KnownMessages } from '../../../telemetry/drive/known-messages.ts';
import { type Burst, burstOf } from './burst.ts';
import { count, quantity, text } from './fields.ts';
import { riseRate } from './rise-rate.ts';
import { Table } from './table.ts';

export interface AgentState {
  readonly online?: boolean;
  readonly reason?: string;
  /** From the latest birth. */
  readonly version?: string;
  readonly mode?: string;
  readonly board?: string;
  readonly synced?: boolean;
  readonly queued?: number;
  readonly dropped: number;
  readonly spool?: {
    readonly unsent: number;
    readonly unconfirmed: number;
    readonly bytes: number;
    readonly capBytes: number;
    readonly lost: number;
  };
  /** Of the latest message, whatever it was. */
  readonly heardMillis?: number;
}

/** One agent, and its domain's memory where it has one. */
export interface DomainData {
  readonly name: string;
  readonly alloc: Table<'leased' | 'reserve' | 'offered' | 'rate'>;
  readonly mem: Table<'used' | 'limit'>;
  readonly psi: Table<'some' | 'full'>;
  scope: 'domain' | 'machine';
  agent: AgentState;
}

export interface Mark {
  readonly atMillis: number;
  readonly domain: string;
  readonly source: string;
  readonly label?: string;
}

/** Messages that the spool has lost, by its own account. */
export interface GapRecord {
  readonly atMillis: number;
  readonly domain: string;
  readonly cause: string;
  /** Absent: nobody can know. */
  readonly records?: number;
}

/** More are no board's; whoever sends them is not shown. */
const MOST_DOMAINS = 64;
const MOST_EVENTS = 100_000;

export class DriveModel {
  readonly clocks: DriveClocks;
  readonly domains = new Map<string, DomainData>();
  readonly pool = new Table(['free'], 'free');
  /** By time. */
  readonly bursts: Burst[] = [];
  readonly marks: Mark[] = [];
  readonly gapRecords: GapRecord[] = [];
  /** How times were found, by how many messages. */
  readonly timeSources: Record<TimeSource, number> = { own: 0, boot: 0, recorder: 0, none: 0 };
  vehicle: string | undefined;
  lines = 0;
  badLines = 0;
  firstBad: string | undefined;
  duplicates = 0;
  /** Domains beyond what is shown. */
  unshownDomains = 0;
  startMillis = Number.POSITIVE_INFINITY;
  endMillis = Number.NEGATIVE_INFINITY;
  /** A later message has told the right time of earlier ones: reading the drive again with these clocks mends them. */
  clocksLearned = false;
  readonly #known = new KnownMessages();
  /** Boots whose messages got a time that was not their own. */
  readonly #guessedBoots = new Set<unknown>();

  /** @param clocks of a former reading of the same drive, which know everything from its start. */
  constructor(clocks = new DriveClocks()) {
    this.clocks = clocks;
  }

  /** Domains that report memory of their own, in the order of the alphabet. */
  get holders(): DomainData[] {
    return [...this.domains.values()]
      .filter(({ alloc }) => alloc.length > 0)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  ingest(line: DriveLine): void {
    this.lines++;
    switch (line.kind) {
      case 'header':
        this.clocks.noteHeader(line.header.boot);
        if (line.header.vehicle !== '') this.vehicle = text(line.header.vehicle);
        break;
      case 'clock':
        this.clocks.noteClock(line.clock);
        break;
      case 'message':
        this.#message(line.message);
        break;
      case 'bad':
        this.badLines++;
        this.firstBad ??= line.reason;
        break;
    }
  }

  #message(message: DriveMessage): void {
    if (this.#known.isAgain(message)) {
      this.duplicates++;
      return;
    }
    this.clocks.noteMessage(message);
    const domain = this.#domain(message.domain);
    if (!domain) return;
    const time = this.clocks.timeOf(message.payload);
    this.#noteTime(message, domain, time);
    if (message.report === 'state' || message.report === 'info') this.#presence(message, domain);
    else if (time) this.#reading(message, domain, time.wallMillis);
  }

  #reading({ report, payload, domain: name }: DriveMessage, domain: DomainData, atMillis: number): void {
    this.startMillis = Math.min(this.startMillis, atMillis);
    this.endMillis = Math.max(this.endMillis, atMillis);
    switch (report) {
      case 'tele/alloc':
        this.#alloc(payload, domain, atMillis);
        break;
      case 'tele/mem': {
        const used = count(payload.used_bytes);
        const limit = count(payload.limit_bytes);
        domain.mem.append(atMillis, {
          ...(used === undefined ? {} : { used }),
          ...(limit === undefined ? {} : { limit }),
        });
        break;
      }
      case 'tele/psi': {
        const some = quantity(payload.some_avg10_percent);
        const full = quantity(payload.full_avg10_percent);
        domain.scope = payload.scope === 'domain' ? 'domain' : 'machine';
        if (some !== undefined && full !== undefined) domain.psi.append(atMillis, { some, full });
        break;
      }
      case 'event/burst': {
        const burst = burstOf(payload, name, atMillis);
        if (burst) insertByTime(this.bursts, burst);
        break;
      }
      case 'event/mark': {
        const label = text(payload.label);
        const mark = {
          atMillis,
          domain: name,
          source: text(payload.source) ?? '',
          ...(label === undefined ? {} : { label }),
        };
        if (this.marks.length < MOST_EVENTS) insertByTime(this.marks, mark);
        break;
      }
      case 'event/gap': {
        const records = count(payload.records);
        const gap = {
          atMillis,
          domain: name,
          cause: text(payload.cause) ?? '',
          ...(records === undefined ? {} : { records }),
        };
        if (this.gapRecords.length < MOST_EVENTS) insertByTime(this.gapRecords, gap);
        break;
      }
    }
  }

  #alloc(payload: DriveMessage['payload'], { alloc }: DomainData, atMillis: number): void {
    const free = count(payload.pool_bytes);
    if (free !== undefined) this.pool.append(atMillis, { free });
    const leased = count(payload.leased_bytes);
    if (leased === undefined) return;
    alloc.append(atMillis, {
      leased,
      reserve: count(payload.reserve_bytes) ?? 0,
      offered: count(payload.offered_bytes) ?? 0,
      rate: riseRate(alloc, atMillis, leased),
    });
  }

  #presence({ report, payload }: DriveMessage, domain: DomainData): void {
    if (report === 'info') {
      const [version, mode, board] = [text(payload.memtide), text(payload.mode), text(payload.board)];
      domain.agent = {
        ...domain.agent,
        ...(version === undefined ? {} : { version }),
        ...(mode === undefined ? {} : { mode }),
        ...(board === undefined ? {} : { board }),
      };
      return;
    }
    const { reason: _, spool: __, queued: ___, ...rest } = domain.agent;
    const [reason, queued, unsent] = [text(payload.reason), count(payload.queued), count(payload.spool_unsent)];
    const dropped = Object.entries(payload).filter(([key]) => key.startsWith('dropped_'));
    domain.agent = {
      ...rest,
      online: payload.status === 'online',
      ...(reason === undefined ? {} : { reason }),
      ...(queued === undefined ? {} : { queued }),
      dropped: dropped.reduce((sum, [, value]) => sum + (count(value) ?? 0), 0),
      ...(unsent === undefined
        ? {}
        : {
            spool: {
              unsent,
              unconfirmed: count(payload.spool_unconfirmed) ?? 0,
              bytes: count(payload.spool_bytes) ?? 0,
              capBytes: count(payload.spool_cap_bytes) ?? 0,
              lost: count(payload.spool_dropped) ?? 0,
            },
          }),
    };
  }

  #noteTime({ payload }: DriveMessage, domain: DomainData, time: DriveTime | undefined): void {
    if (!time) return;
    this.timeSources[time.by]++;
    if (time.by === 'own') this.clocksLearned ||= this.#guessedBoots.has(payload.boot);
    else if (time.by !== 'boot') this.#guessedBoots.add(payload.boot);
    const heardMillis = Math.max(time.wallMillis, domain.agent.heardMillis ?? 0);
    if (payload.synced === domain.agent.synced && heardMillis === domain.agent.heardMillis) return;
    const { synced: _, ...rest } = domain.agent;
    domain.agent = { ...rest, heardMillis, ...(typeof payload.synced === 'boolean' ? { synced: payload.synced } : {}) };
  }

  #domain(name: string): DomainData | undefined {
    const known = this.domains.get(name);
    if (known) return known;
    if (this.domains.size >= MOST_DOMAINS) {
      this.unshownDomains++;
      return undefined;
    }
    const domain: DomainData = {
      name,
      alloc: new Table(['leased', 'reserve', 'offered', 'rate'], 'leased'),
      mem: new Table(['used', 'limit'], 'used'),
      psi: new Table(['some', 'full'], 'some'),
      scope: 'machine',
      agent: { dropped: 0 },
    };
    this.domains.set(name, domain);
    return domain;
  }
}

/** Most come in order, or nearly so. */
export function insertByTime<Event extends { readonly atMillis: number }>(events: Event[], event: Event): void {
  let place = events.length;
  if (place > 0 && events[place - 1]!.atMillis > event.atMillis) place = firstAfter(events, event.atMillis);
  events.splice(place, 0, event);
}

/** Index of the first event that is later than `millis`. */
export function firstAfter(events: ReadonlyArray<{ readonly atMillis: number }>, millis: number): number {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (events[middle]!.atMillis <= millis) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Events from `fromMillis` to `toMillis`. */
export function between<Event extends { readonly atMillis: number }>(
  events: readonly Event[],
  fromMillis: number,
  toMillis: number,
): Event[] {
  return events.slice(firstAfter(events, fromMillis - 1e-6), firstAfter(events, toMillis));
}
