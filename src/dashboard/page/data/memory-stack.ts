/**
 * Who holds the memory, as layers from the bottom up: the first domain, the pool in the middle, the other domains above.
 * Each domain's leased memory lies outermost and what is offered to it next to the pool, so that memory which moves from
 * one domain to the other is a line that moves through the picture. The first domain stands on the ground, the others hang
 * from the ceiling, which is all there is to lend; the pool is what is between them. (Its own readings are of other moments
 * than those of the domains: drawn on top of them, the ceiling would flicker.)
 */
import type { DomainData, DriveModel } from './drive-model.ts';
import { patienceMillis } from './silences.ts';
import type { Table } from './table.ts';

export type LayerKind = 'leased' | 'reserve' | 'offered' | 'pool';

export interface Layer {
  readonly kind: LayerKind;
  /** Absent for the pool. */
  readonly domain?: string;
}

export interface MemoryStack {
  readonly layers: readonly Layer[];
  readonly timesMillis: readonly number[];
  /** For each layer its upper edge, in bytes; `null` where nothing is known. */
  readonly edges: ReadonlyArray<ReadonlyArray<number | null>>;
}

const INWARD: readonly LayerKind[] = ['leased', 'reserve', 'offered'];

export function layersOf(holders: ReadonlyArray<{ readonly name: string }>): Layer[] {
  const [first, ...others] = holders;
  const of = (kinds: readonly LayerKind[], { name }: { readonly name: string }): Layer[] =>
    kinds.map((kind) => ({ kind, domain: name }));
  return [
    ...(first ? of(INWARD, first) : []),
    { kind: 'pool' },
    ...others.flatMap((domain) => of(INWARD.toReversed(), domain)),
  ];
}

/** Readings of the pool that are looked at for the ceiling. */
const CEILING_SAMPLE = 301;

/** All that there is to lend: pool and holdings together, at most readings of the drive. 0 where the pool is not known. */
export function ceilingOf({ pool, holders }: DriveModel): number {
  const { times } = pool;
  const free = pool.column('free');
  const readers = holders.map((domain) => readerOf(domain));
  const step = Math.max(1, Math.floor(times.length / CEILING_SAMPLE));
  const sums: number[] = [];
  for (let row = step - 1; row < times.length; row += step) {
    const readings = readers.map((read) => read(times[row]!));
    if (readings.some((reading) => reading === undefined)) continue;
    sums.push(readings.reduce((sum, reading) => sum + reading!.leased + reading!.reserve, free[row]!));
  }
  return sums.sort((a, b) => a - b)[sums.length >> 1] ?? 0;
}

/** @param ceiling as of `ceilingOf`. @param buckets spans of the window of which each may show an extreme. */
export function memoryStack(
  model: DriveModel,
  fromMillis: number,
  toMillis: number,
  ceiling: number,
  buckets: number,
): MemoryStack {
  const { holders } = model;
  const layers = layersOf(holders);
  const tables = holders.map(({ alloc }) => alloc);
  const timesMillis = instants(tables, fromMillis, toMillis, buckets);
  const edges: (number | null)[][] = layers.map(() => []);
  const readers = holders.map((domain) => readerOf(domain));
  for (const time of timesMillis) {
    const readings = readers.map((read) => read(time));
    const known = readings.some((reading) => reading !== undefined);
    const held = readings.reduce((sum, each) => sum + (each ? each.leased + each.reserve + each.offered : 0), 0);
    const free = Math.max(0, ceiling - held);
    let edge = 0;
    layers.forEach(({ kind, domain }, layer) => {
      const reading = readings[holders.findIndex(({ name }) => name === domain)];
      edge += kind === 'pool' ? free : (reading?.[kind] ?? 0);
      edges[layer]!.push(known ? edge : null);
    });
  }
  return { layers, timesMillis, edges };
}

export interface AllocReading {
  readonly leased: number;
  readonly reserve: number;
  readonly offered: number;
}

/** What held at a time: the latest reading before it, unless the domain was silent. */
export function readerOf(domain: DomainData): (timeMillis: number) => AllocReading | undefined {
  const { alloc } = domain;
  const { times } = alloc;
  const [leased, reserve, offered] = [alloc.column('leased'), alloc.column('reserve'), alloc.column('offered')];
  const patience = patienceMillis(domain);
  return (timeMillis) => {
    const row = alloc.rowAt(timeMillis);
    if (row < 0) return undefined;
    const [at, next] = [times[row]!, times[row + 1]];
    // A silence that is over is known from its beginning; one that goes on, once it is longer than any pause.
    const silent = next === undefined ? timeMillis - at > patience : next - at > patience && timeMillis > at;
    if (silent) return undefined;
    return { leased: leased[row]!, reserve: reserve[row]!, offered: offered[row]! };
  };
}

/** Of the pool, what is not offered to a domain: that is drawn with the domain. */
export function freeBytes(
  pool: Table<'free'>,
  timeMillis: number,
  readings: ReadonlyArray<AllocReading | undefined>,
): number {
  const row = pool.rowAt(timeMillis);
  if (row < 0) return 0;
  const offered = readings.reduce((sum, reading) => sum + (reading?.offered ?? 0), 0);
  return Math.max(0, pool.column('free')[row]! - offered);
}

/** Times worth drawing, ascending: where any table has a reading that counts. */
function instants(
  tables: ReadonlyArray<DomainData['alloc']>,
  fromMillis: number,
  toMillis: number,
  buckets: number,
): number[] {
  const times = new Set<number>();
  for (const table of tables) {
    const all = table.times;
    for (const row of table.rowsToShow(fromMillis, toMillis, buckets)) times.add(all[row]!);
  }
  const sorted = [...times].sort((a, b) => a - b);
  // A silence begins at no reading: an instant right after the last one makes its emptiness seen.
  return sorted.flatMap((time, i) => {
    const next = sorted[i + 1];
    return next !== undefined && next - time > WORTH_LOOKING_MILLIS ? [time, time + 1, next - 1] : [time];
  });
}

const WORTH_LOOKING_MILLIS = 3000;
