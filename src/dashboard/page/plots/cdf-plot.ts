/** Shares of bursts and of local allocations that were done within a time. */
import uPlot from 'uplot';
import { CURVES, cumulative, type Distribution, logSteps } from '../data/distribution.ts';
import type { Theme } from '../theme.ts';
import { decades, decadeText } from './scales.ts';

const HEIGHT = 170;
const POINTS = 160;
const FONT = '11px Inter, system-ui, sans-serif';

export class CdfPlot {
  readonly #plot: uPlot;
  readonly #observer: ResizeObserver;

  constructor(host: HTMLElement, theme: Theme) {
    const axis = { stroke: theme.muted, font: FONT, grid: { stroke: theme.grid, width: 1 }, ticks: { show: false } };
    const colours = { burst: theme.bursts.reserve, best: theme.local, fresh: theme.fresh };
    this.#plot = new uPlot(
      {
        width: Math.max(200, host.clientWidth),
        height: HEIGHT,
        padding: [6, 14, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, distr: 3, log: 10, range: (_, min, max) => [min || 1, max || 10] },
          y: { range: [0, 1.02] },
        },
        axes: [
          {
            ...axis,
            size: 24,
            space: 40,
            splits: (_, __, min, max) => decades(min, max),
            values: (_, splits) => splits.map((micros) => decadeText(micros)),
          },
          { ...axis, size: 40, gap: 6, splits: () => [0, 0.5, 1], values: () => ['0 %', '50 %', '100 %'] },
        ],
        series: [
          {},
          ...CURVES.map(
            (curve): uPlot.Series => ({
              stroke: colours[curve],
              width: curve === 'burst' ? 2.5 : 1.5,
              points: { show: false },
              ...(curve === 'best' ? { dash: [5, 3] } : curve === 'fresh' ? { dash: [2, 3] } : {}),
            }),
          ),
        ],
      },
      [[], ...CURVES.map(() => [])],
      host,
    );
    this.#observer = new ResizeObserver(() =>
      this.#plot.setSize({ width: Math.max(200, host.clientWidth), height: HEIGHT }),
    );
    this.#observer.observe(host);
  }

  show({ sorted }: Distribution): void {
    const all = CURVES.flatMap((curve) => [sorted[curve][0], sorted[curve].at(-1)]).filter(
      (value) => value !== undefined,
    );
    const least = all.length === 0 ? 1 : Math.min(...all) * 0.8;
    const steps = logSteps(least, all.length === 0 ? 1000 : Math.max(...all) * 1.2, POINTS);
    this.#plot.setData([steps, ...CURVES.map((curve) => cumulative(sorted[curve], steps))]);
  }

  destroy(): void {
    this.#observer.disconnect();
    this.#plot.destroy();
  }
}
