import { formatBytes, MIB } from '../units.ts';
import type { DemoState } from './demo-state.ts';

/** One line on how it stands, for where nothing can be redrawn: a pipe, a log of a build, a dumb terminal. */
export function plainLine(state: DemoState, domains: readonly string[], elapsedMicros: number): string {
  const parts = domains.map((name) => {
    const { leasedBytes, reserveBytes = 0 } = state.domains[name] ?? {};
    return leasedBytes === undefined
      ? `${name} -`
      : `${name} ${mebibytesText(leasedBytes)} leased + ${mebibytesText(reserveBytes)} reserve`;
  });
  const pool = state.poolBytes === undefined ? '-' : mebibytesText(state.poolBytes);
  const alone =
    state.served === 0 ? '' : ` (${((100 * state.servedAlone) / state.served).toFixed(0)} % without waiting)`;
  const counts = `${state.served} bursts${alone}, ${state.refused} refused`;
  return `${`${Math.round(elapsedMicros / 1e6)} s`.padStart(5)}  ${parts.join(', ')}, pool ${pool}; ${counts}`;
}

const mebibytesText = (bytes: number): string => formatBytes(Math.round(bytes / MIB) * MIB);
