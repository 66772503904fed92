/** The plots over one time axis, and what they have in common: window, cursor, gestures. */
import uPlot from 'uplot';
import { formatBytes, MIB } from '../../units.ts';
import type { Burst } from './data/burst.ts';
import { byId } from './dom.ts';
import { BurstPlot } from './plots/burst-plot.ts';
import { type GestureOutcomes, listenToGestures } from './plots/gestures.ts';
import { LinePlot, pressureLines, rateLines } from './plots/line-plot.ts';
import { MemoryPlot } from './plots/memory-plot.ts';
import type { PlotContext, ScenePlot } from './plots/scene-plot.ts';
import type { Scene } from './scene.ts';
import type { Theme } from './theme.ts';

export interface TimelineOutcomes extends Omit<GestureOutcomes, 'choose'> {
  readonly chooseBurst: (burst: Burst) => void;
  readonly onCursor: (timeMillis: number | undefined) => void;
}

const RATE_HEIGHT = 84;
const PRESSURE_HEIGHT = 70;

export class Timeline {
  readonly #outcomes: TimelineOutcomes;
  #theme: Theme | undefined;
  #plots: ScenePlot[] = [];

  constructor(outcomes: TimelineOutcomes) {
    this.#outcomes = outcomes;
  }

  show(scene: Scene): void {
    if (scene.theme !== this.#theme) this.#make(scene.theme);
    for (const plot of this.#plots) plot.show(scene);
  }

  #make(theme: Theme): void {
    for (const plot of this.#plots) plot.destroy();
    this.#theme = theme;
    const bursts: BurstPlot = new BurstPlot(
      this.#context('plot-bursts', (left, top) => {
        const burst = bursts.nearest(left, top);
        if (burst) this.#outcomes.chooseBurst(burst);
      }),
      theme,
    );
    this.#plots = [
      new MemoryPlot(this.#context('plot-memory')),
      bursts,
      new LinePlot(this.#context('plot-rate'), {
        height: RATE_HEIGHT,
        showsTimes: false,
        lines: rateLines,
        range: (min, max) => [Math.min(-MIB, min * 1.1), Math.max(MIB, max * 1.1)],
        axis: { space: 26, splits: rateSplits, values: (_, splits) => splits.map(rateText) },
      }),
      new LinePlot(this.#context('plot-pressure'), {
        height: PRESSURE_HEIGHT,
        showsTimes: true,
        lines: pressureLines,
        range: (_, max) => [0, Math.max(5, max * 1.15)],
        axis: { space: 24, values: (_, splits) => splits.map((percent) => `${percent} %`) },
      }),
    ];
  }

  #context(id: string, choose?: (left: number, top: number) => void): PlotContext {
    return {
      host: byId(id),
      stepped: uPlot.paths.stepped!({ align: 1 }),
      onCursor: this.#outcomes.onCursor,
      onMade: (plot) => listenToGestures(plot, { ...this.#outcomes, ...(choose && { choose }) }),
    };
  }
}

function rateSplits(_: unknown, __: number, min: number, max: number): number[] {
  const most = Math.max(-min, max);
  const step = 2 ** Math.floor(Math.log2(most / 1.2));
  return [-step, 0, step].filter((split) => split >= min && split <= max);
}

const rateText = (bytes: number): string =>
  bytes === 0 ? '0' : `${bytes > 0 ? '+' : '−'}${formatBytes(Math.abs(bytes))}/s`;
