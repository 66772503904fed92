import type { Scope, Tier } from '../records.ts';
import type { ReportPayload } from '../telemetry/schema.ts';
import type { Report } from '../telemetry/topics.ts';
import { burstRecordOf } from '../telemetry/wire.ts';

/** What the live view knows: a fold over the messages of the agents. Sizes in bytes; what is not yet known is absent. */
export type ReportMessage = {
  [Kind in Report]: { readonly report: Kind; readonly domain: string; readonly payload: ReportPayload<Kind> };
}[Report];

export interface DomainState {
  readonly usedBytes?: number;
  readonly leasedBytes?: number;
  readonly reserveBytes?: number;
  readonly offeredBytes?: number;
  /** What was leased of late, oldest first. */
  readonly history?: ReadonlyArray<{ readonly atMicros: number; readonly leasedBytes: number }>;
}

/** A burst as one line of the view. */
export interface BurstLine {
  readonly domain: string;
  readonly atMicros: number;
  readonly requestedBytes: number;
  readonly totalMicros: number;
  readonly tierBytes: Readonly<Record<Tier, number>>;
  /** Why it was refused; absent when it was served. */
  readonly refusal?: string;
  /** The local allocation beside it. */
  readonly local?: { readonly bestMicros: number; readonly freshMicros: number };
}

export interface DemoState {
  readonly domains: Readonly<Record<string, DomainState>>;
  readonly poolBytes?: number;
  readonly psi?: { readonly somePercent: number; readonly fullPercent: number; readonly scope: Scope };
  readonly served: number;
  /** Served without waiting for another domain. */
  readonly servedAlone: number;
  readonly refused: number;
  /** Given by other domains. */
  readonly movedBytes: number;
  /** The latest, in the order of their requests. */
  readonly bursts: readonly BurstLine[];
}

const KEPT_BURSTS = 64;
/** Over how long the rate of change is taken. */
const RATE_MICROS = 1_000_000;

export const newState = (domains: readonly string[]): DemoState => ({
  domains: Object.fromEntries(domains.map((name) => [name, {}])),
  served: 0,
  servedAlone: 0,
  refused: 0,
  movedBytes: 0,
  bursts: [],
});

/** The state after one message. Pure. */
export function applyReport(state: DemoState, { report, domain, payload }: ReportMessage): DemoState {
  switch (report) {
    case 'tele/alloc':
      return withAlloc(state, domain, payload);
    case 'tele/mem':
      return withDomain(state, domain, payload.used_bytes === undefined ? {} : { usedBytes: payload.used_bytes });
    case 'tele/psi': {
      const { some_avg10_percent: somePercent, full_avg10_percent: fullPercent, scope } = payload;
      return { ...state, psi: { somePercent, fullPercent, scope } };
    }
    case 'event/burst':
      return withBurst(state, payload);
    default:
      return state;
  }
}

function withAlloc(state: DemoState, domain: string, payload: ReportPayload<'tele/alloc'>): DemoState {
  const { leased_bytes, reserve_bytes, offered_bytes, pool_bytes, mono_ns } = payload;
  const pooled = pool_bytes === undefined ? state : { ...state, poolBytes: pool_bytes };
  if (leased_bytes === undefined) return pooled;
  const atMicros = Number(mono_ns) / 1000;
  const recent = (state.domains[domain]?.history ?? []).filter((entry) => atMicros - entry.atMicros <= RATE_MICROS);
  return withDomain(pooled, domain, {
    leasedBytes: leased_bytes,
    ...(reserve_bytes === undefined ? {} : { reserveBytes: reserve_bytes }),
    ...(offered_bytes === undefined ? {} : { offeredBytes: offered_bytes }),
    history: [...recent, { atMicros, leasedBytes: leased_bytes }],
  });
}

/** Only domains that were named at the start are shown: a stranger on the broker adds no rows. */
function withDomain(state: DemoState, name: string, news: DomainState): DemoState {
  const known = state.domains[name];
  return known ? { ...state, domains: { ...state.domains, [name]: { ...known, ...news } } } : state;
}

function withBurst(state: DemoState, payload: ReportPayload<'event/burst'>): DemoState {
  const { domain, atMicros, requestedBytes, totalMicros, tierBytes, outcome, refusal, probe } = burstRecordOf(payload);
  const line: BurstLine = {
    domain,
    atMicros,
    requestedBytes,
    totalMicros,
    tierBytes,
    ...(outcome === 'refused' ? { refusal: refusal ?? 'no reason given' } : {}),
    ...(probe?.kind === 'measured' ? { local: { bestMicros: probe.bestMicros, freshMicros: probe.freshMicros } } : {}),
  };
  const served = outcome === 'served';
  return {
    ...state,
    served: state.served + (served ? 1 : 0),
    servedAlone: state.servedAlone + (served && tierBytes.peer === 0 ? 1 : 0),
    refused: state.refused + (served ? 0 : 1),
    movedBytes: state.movedBytes + tierBytes.peer,
    // A record waits for its local allocation, so it may come after later ones.
    bursts: [...state.bursts, line].sort((a, b) => a.atMicros - b.atMicros).slice(-KEPT_BURSTS),
  };
}

/** How fast what a domain leases changes, in bytes a second; `undefined` until there are two readings. */
export function changeRate({ history = [] }: DomainState): number | undefined {
  const first = history[0];
  const last = history.at(-1);
  if (!first || !last || last.atMicros <= first.atMicros) return undefined;
  return ((last.leasedBytes - first.leasedBytes) / (last.atMicros - first.atMicros)) * 1e6;
}
