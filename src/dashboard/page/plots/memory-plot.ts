/** Memory of each domain by tier, with the pool between them. */
import type uPlot from 'uplot';
import { formatBytes } from '../../../units.ts';
import { ceilingOf, type Layer, layersOf, type MemoryStack, memoryStack } from '../data/memory-stack.ts';
import type { Scene } from '../scene.ts';
import { layerColour, type Theme } from '../theme.ts';
import { drawMarks, drawSilences } from './overlays.ts';
import { byteSplits } from './scales.ts';
import type { PlotContext, ScenePlot } from './scene-plot.ts';
import { TimePlot } from './time-plot.ts';

const HEIGHT = 290;

/** Layers are drawn from the top one down, each over the one before: no line shows through another. */
export class MemoryPlot implements ScenePlot {
  readonly #context: PlotContext;
  #layers = '';
  #plot: TimePlot | undefined;
  #scene: Scene | undefined;
  #ceiling = 0;

  constructor(context: PlotContext) {
    this.#context = context;
  }

  show(scene: Scene): void {
    const { model, window } = scene;
    this.#scene = scene;
    this.#remake(layersOf(model.holders), scene.theme);
    this.#ceiling = ceilingOf(model);
    const stack = memoryStack(model, window.fromMillis, window.toMillis, this.#ceiling, this.#plot!.buckets);
    this.#plot!.show(window, alignedOf(stack));
  }

  destroy(): void {
    this.#plot?.destroy();
  }

  /** Domains come and go with the drive; the plot is made for those that there are. */
  #remake(layers: readonly Layer[], theme: Theme): void {
    const names = JSON.stringify(layers);
    if (names === this.#layers) return;
    this.#layers = names;
    this.#plot?.destroy();
    const holders = [...new Set(layers.flatMap(({ domain }) => (domain === undefined ? [] : [domain])))];
    this.#plot = new TimePlot({
      ...this.#context,
      height: HEIGHT,
      theme,
      showsTimes: false,
      series: layers.toReversed().map(({ kind, domain }): uPlot.Series => {
        const colour = layerColour(theme, kind, holders.indexOf(domain ?? ''));
        return { paths: this.#context.stepped, fill: colour, stroke: colour, width: 0, points: { show: false } };
      }),
      scale: { range: (_, __, max) => [0, this.#ceiling || max || 1] },
      axis: {
        space: 42,
        splits: (_, __, ___, max) => byteSplits(max),
        values: (_, splits) => splits.map((bytes) => formatBytes(bytes)),
      },
      above: (plot) => {
        const scene = this.#scene!;
        drawSilences(plot, scene.silences, theme, true);
        drawMarks(plot, scene.marks, theme, true);
      },
    });
    this.#context.onMade(this.#plot.plot);
  }
}

const alignedOf = ({ timesMillis, edges }: MemoryStack): uPlot.AlignedData => [
  timesMillis as number[],
  ...(edges.toReversed() as (number | null)[][]),
];
