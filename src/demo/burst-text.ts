import { TIERS, type Tier } from '../records.ts';
import { formatBytes } from '../units.ts';

/** Bytes by tier, for people: `reserve 24 + pool 8 MiB`, or the tier alone when one gave all. */
export function sourceText(tierBytes: Readonly<Record<Tier, number>>): string {
  const given = TIERS.filter((tier) => tierBytes[tier] > 0);
  if (given.length === 1) return TIER_TEXT[given[0]!];
  return given.map((tier) => `${TIER_TEXT[tier]} ${formatBytes(tierBytes[tier])}`).join(' + ');
}

const TIER_TEXT: Readonly<Record<Tier, string>> = { reserve: 'reserve', pool: 'pool', peer: 'peers' };

/** `0.31×`, `1.2×`, `14×`. */
export function ratioText(ratio: number): string {
  const digits = ratio < 0.995 ? 2 : ratio < 9.95 ? 1 : 0;
  return `${ratio.toFixed(digits)}×`;
}

/** Seconds since the start, for people: `12.3 s`. */
export const sinceText = (micros: number): string => `${(micros / 1e6).toFixed(1)} s`;
