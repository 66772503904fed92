import { percentile, summarize } from '../latency/percentiles.ts';
import { type BurstRecord, type LocalProbe, TIERS, type Tier } from '../records.ts';
import type { Drive } from './drive.ts';

/** What the run came to, from the raw records: nothing here was averaged before. Pure. */
export interface DriveSummary {
  /** Smallest size first. */
  readonly sizes: readonly SizeSummary[];
  readonly served: number;
  readonly refusals: ReadonlyArray<Counted>;
  /** Different local allocations that bursts were compared with. */
  readonly probes: { readonly warm: number; readonly huge: number };
  /** Bursts that could not be compared, and why. */
  readonly notCompared: ReadonlyArray<Counted>;
  /** Mean over the run of what nobody used; absent when nothing was logged. */
  readonly idle?: IdleSummary;
  readonly damagedLines: number;
}

export interface Counted {
  readonly reason: string;
  readonly n: number;
}

/** Bursts from one power of two up to the next. */
export interface SizeSummary {
  readonly fromBytes: number;
  /** Largest of the requests. */
  readonly toBytes: number;
  readonly served: number;
  readonly refused: number;
  /** Request to last byte written; absent when none was served. */
  readonly totalP50Micros?: number;
  readonly totalMaxMicros?: number;
  readonly compared?: Comparison;
  /** Share of the bytes that each tier gave, 0 to 1. */
  readonly tierShares?: Readonly<Record<Tier, number>>;
  /** Share of the served bursts for which no other domain had to let go, 0 to 1. */
  readonly aloneShare?: number;
  /** Mean of what the domain held idle when the burst came. */
  readonly idleBytes: number;
}

/** The served bursts that have a local allocation of the same size beside them. */
export interface Comparison {
  readonly n: number;
  /** Different local allocations behind them: one serves many bursts of its size. */
  readonly probes: number;
  readonly bestP50Micros: number;
  readonly freshP50Micros: number;
  /** p50 of these bursts over p50 of the local way. */
  readonly toBest: number;
  readonly toFresh: number;
}

export interface IdleSummary {
  readonly reserveBytes: Readonly<Record<string, number>>;
  /** Free, of no domain, offers included. */
  readonly poolBytes: number;
  readonly allBytes: number;
}

export function summarizeDrive(drive: Drive): DriveSummary {
  const { bursts, damagedLines } = drive;
  const classes = groupBy(bursts, ({ requestedBytes }) => 2 ** Math.floor(Math.log2(requestedBytes)));
  const served = bursts.filter(({ outcome }) => outcome === 'served');
  const refused = bursts.filter(({ outcome }) => outcome === 'refused');
  const idle = idleOf(drive);
  return {
    sizes: [...classes].sort(([a], [b]) => a - b).map(([fromBytes, group]) => sizeOf(fromBytes, group)),
    served: served.length,
    refusals: counted(refused.map(({ refusal = 'no reason told' }) => refusal)),
    probes: probesOf(served),
    notCompared: counted(
      served.flatMap(({ probe }) => (probe?.kind === 'measured' ? [] : [probe?.reason ?? 'no probe was logged'])),
    ),
    ...(idle && { idle }),
    damagedLines,
  };
}

function sizeOf(fromBytes: number, group: readonly BurstRecord[]): SizeSummary {
  const served = group.filter(({ outcome }) => outcome === 'served');
  const totals = summarize(served.map(({ totalMicros }) => totalMicros));
  const compared = compare(served);
  return {
    fromBytes,
    toBytes: Math.max(...group.map(({ requestedBytes }) => requestedBytes)),
    served: served.length,
    refused: group.length - served.length,
    ...(totals && {
      totalP50Micros: totals.p50,
      totalMaxMicros: totals.max,
      tierShares: tierShares(served),
      aloneShare: served.filter(({ tierBytes }) => tierBytes.peer === 0).length / served.length,
    }),
    ...(compared && { compared }),
    idleBytes: mean(group.map(({ idleBytes }) => idleBytes)),
  };
}

function compare(served: readonly BurstRecord[]): Comparison | undefined {
  const pairs = served.flatMap(({ totalMicros, probe }) =>
    probe?.kind === 'measured' ? [{ totalMicros, probe }] : [],
  );
  const total = median(pairs.map(({ totalMicros }) => totalMicros));
  const best = median(pairs.map(({ probe }) => probe.bestMicros));
  const fresh = median(pairs.map(({ probe }) => probe.freshMicros));
  if (total === undefined || best === undefined || fresh === undefined) return undefined;
  return {
    n: pairs.length,
    probes: differentProbes(served).size,
    bestP50Micros: best,
    freshP50Micros: fresh,
    toBest: total / best,
    toFresh: total / fresh,
  };
}

function tierShares(served: readonly BurstRecord[]): Record<Tier, number> {
  const sums = TIERS.map((tier) => served.reduce((sum, { tierBytes }) => sum + tierBytes[tier], 0));
  const all = sums.reduce((sum, each) => sum + each, 0);
  return Object.fromEntries(TIERS.map((tier, place) => [tier, all === 0 ? 0 : sums[place]! / all])) as Record<
    Tier,
    number
  >;
}

function probesOf(served: readonly BurstRecord[]): { warm: number; huge: number } {
  const ways = [...differentProbes(served).values()];
  const count = (way: string): number => ways.filter(({ bestWay }) => bestWay === way).length;
  return { warm: count('warm'), huge: count('huge') };
}

/** One probe serves many bursts of its size and domain, so each is counted once. */
function differentProbes(served: readonly BurstRecord[]): Map<string, Extract<LocalProbe, { kind: 'measured' }>> {
  const probes = new Map<string, Extract<LocalProbe, { kind: 'measured' }>>();
  for (const { domain, requestedBytes, probe } of served) {
    if (probe?.kind === 'measured') probes.set([domain, requestedBytes, probe.freshMicros].join(), probe);
  }
  return probes;
}

function idleOf({ idle, poolBytes }: Drive): IdleSummary | undefined {
  if (idle.length === 0 || poolBytes.length === 0) return undefined;
  const domains = groupBy(idle, ({ domain }) => domain);
  const reserves = [...domains].map(
    ([name, readings]) => [name, mean(readings.map(({ reserveBytes }) => reserveBytes))] as const,
  );
  const pool = mean(poolBytes);
  return {
    reserveBytes: Object.fromEntries(reserves),
    poolBytes: pool,
    allBytes: reserves.reduce((sum, [, each]) => sum + each, pool),
  };
}

/** The most frequent first. */
function counted(reasons: readonly string[]): Counted[] {
  const groups = [...groupBy(reasons, (reason) => reason)].map(([reason, all]) => ({ reason, n: all.length }));
  return groups.sort((a, b) => b.n - a.n);
}

const median = (values: readonly number[]): number | undefined =>
  percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
/** @param values at least one. */
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function groupBy<Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
