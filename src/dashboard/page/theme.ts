/**
 * Colours, from the style sheet and for the canvas. The hues are those of Okabe and Ito, which people who see red and green
 * alike can tell apart; tiers differ in shape as well.
 */
import type { Tier } from '../../records.ts';
import type { LayerKind } from './data/memory-stack.ts';

export type BurstKind = Tier | 'refused';

export interface Theme {
  readonly dark: boolean;
  readonly ground: string;
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly pool: string;
  readonly mark: string;
  readonly local: string;
  readonly fresh: string;
  readonly bursts: Readonly<Record<BurstKind, string>>;
  readonly domains: readonly string[];
}

/** Reads the theme that the style sheet has in force now. */
export function readTheme(root: HTMLElement = document.documentElement): Theme {
  const style = getComputedStyle(root);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    dark: style.colorScheme === 'dark',
    ground: colour('card'),
    text: colour('text'),
    muted: colour('muted'),
    grid: colour('grid'),
    pool: colour('pool'),
    mark: colour('mark'),
    local: colour('local'),
    fresh: colour('fresh'),
    bursts: {
      reserve: colour('tier-reserve'),
      pool: colour('tier-pool'),
      peer: colour('tier-peer'),
      refused: colour('refused'),
    },
    domains: [0, 1, 2, 3, 4, 5].map((index) => colour(`domain-${index}`)),
  };
}

const STRENGTH: Readonly<Record<LayerKind, number>> = { leased: 1, reserve: 0.56, offered: 0.24, pool: 1 };

/** The opaque colour of a layer: the domain's hue, paler the further it is from use. */
export function layerColour(theme: Theme, kind: LayerKind, domainIndex: number): string {
  if (kind === 'pool') return theme.pool;
  return blend(domainColour(theme, domainIndex), theme.ground, STRENGTH[kind]);
}

export const domainColour = ({ domains }: Theme, index: number): string => domains[index % domains.length]!;

/** @param share of `colour`; the rest is `ground`. Both as #rrggbb. */
export function blend(colour: string, ground: string, share: number): string {
  const part = (hex: string, at: number): number => Number.parseInt(hex.slice(at, at + 2), 16);
  const mixed = [1, 3, 5].map((at) => Math.round(part(colour, at) * share + part(ground, at) * (1 - share)));
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

export const faded = (colour: string, alpha: number): string =>
  colour +
  Math.round(alpha * 255)
    .toString(16)
    .padStart(2, '0');
