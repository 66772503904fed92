/** One burst as the page knows it: what a burst message says, checked field by field. */
import type { Tier } from '../../../records.ts';
import { count, quantity, text } from './fields.ts';

export const STAGES = ['detect', 'notify', 'decide', 'release', 'populate', 'touch'] as const;
export type Stage = (typeof STAGES)[number];

export interface Burst {
  readonly id: string;
  readonly domain: string;
  readonly atMillis: number;
  readonly requestedBytes: number;
  readonly totalMicros: number;
  readonly tierBytes: Readonly<Record<Tier, number>>;
  readonly idleBytes: number;
  /** Why it was refused; absent when it was served. */
  readonly refusal?: string;
  /** In microseconds; a stage that did not happen is absent. */
  readonly stages: Readonly<Partial<Record<Stage, number>>>;
  /** A local allocation of the same size. */
  readonly local?: { readonly bestMicros: number; readonly freshMicros: number; readonly bestWay: string };
  readonly mode: string;
}

/** @returns undefined when the message does not say how large the burst was or how long it took. */
export function burstOf(
  payload: Readonly<Record<string, unknown>>,
  domain: string,
  atMillis: number,
): Burst | undefined {
  const requestedBytes = count(payload.requested_bytes);
  const totalMicros = quantity(payload.total_us);
  if (requestedBytes === undefined || totalMicros === undefined) return undefined;
  const bestMicros = quantity(payload.probe_best_us);
  const freshMicros = quantity(payload.probe_fresh_us);
  return {
    id: text(payload.id) ?? '',
    domain,
    atMillis,
    requestedBytes,
    totalMicros,
    tierBytes: {
      reserve: count(payload.reserve_bytes) ?? 0,
      pool: count(payload.pool_bytes) ?? 0,
      peer: count(payload.peer_bytes) ?? 0,
    },
    idleBytes: count(payload.idle_bytes) ?? 0,
    ...(payload.outcome === 'refused' ? { refusal: text(payload.refusal) ?? 'no reason given' } : {}),
    stages: Object.fromEntries(
      STAGES.flatMap((stage) => {
        const micros = quantity(payload[`${stage}_us`]);
        return micros === undefined ? [] : [[stage, micros]];
      }),
    ),
    ...(bestMicros === undefined || freshMicros === undefined
      ? {}
      : { local: { bestMicros, freshMicros, bestWay: text(payload.probe_best_way) ?? '' } }),
    mode: text(payload.mode) ?? '',
  };
}

/** Whose memory it was in the main: the slowest tier that gave any. */
export function slowestTier({ tierBytes, refusal }: Burst): Tier | 'refused' {
  if (refusal !== undefined) return 'refused';
  if (tierBytes.peer > 0) return 'peer';
  return tierBytes.pool > 0 ? 'pool' : 'reserve';
}
