/** A plot over time: uPlot, with the window of time set from outside so that all plots show the same one. */
import uPlot from 'uplot';
import type { TimeWindow } from '../data/time-window.ts';
import { clockText } from '../data/words.ts';
import type { Theme } from '../theme.ts';

export interface TimePlotOptions {
  readonly host: HTMLElement;
  readonly height: number;
  readonly theme: Theme;
  /** Of the last plot of the column only. */
  readonly showsTimes: boolean;
  readonly series: readonly uPlot.Series[];
  readonly bands?: readonly uPlot.Band[];
  readonly scale: Omit<uPlot.Scale, 'auto'>;
  readonly axis: Pick<uPlot.Axis, 'values' | 'splits' | 'space'>;
  /** Drawn beneath and above the series. */
  readonly beneath?: (plot: uPlot) => void;
  readonly above?: (plot: uPlot) => void;
  readonly onCursor: (timeMillis: number | undefined) => void;
}

export const AXIS_WIDTH = 66;
const TIMES_HEIGHT = 26;
const PIXELS_A_BUCKET = 6;
/** Narrower is no plot any more. */
const LEAST_WIDTH = 160;
const FONT = '11px Inter, system-ui, sans-serif';
/** All plots with this key have one cursor. */
const CURSOR_KEY = 'memtide';

export class TimePlot {
  readonly plot: uPlot;
  readonly #observer: ResizeObserver;

  constructor(options: TimePlotOptions) {
    const { host, height, series, bands, scale, beneath, above, onCursor } = options;
    const total = height + (options.showsTimes ? TIMES_HEIGHT : 0);
    this.plot = new uPlot(
      {
        width: Math.max(LEAST_WIDTH, host.clientWidth),
        height: total,
        ms: 1,
        padding: [6, 8, options.showsTimes ? 0 : 4, 0],
        legend: { show: false },
        cursor: {
          sync: { key: CURSOR_KEY, setSeries: false },
          drag: { x: false, y: false, setScale: false },
          points: { show: false },
          y: false,
        },
        scales: { x: { time: true, auto: false }, y: { ...scale } },
        axes: axesOf(options),
        series: [{}, ...series],
        ...(bands ? { bands: [...bands] } : {}),
        hooks: {
          drawAxes: beneath ? [beneath] : [],
          draw: above ? [above] : [],
          setCursor: [
            ({ cursor, posToVal }) => onCursor((cursor.left ?? -1) < 0 ? undefined : posToVal(cursor.left!, 'x')),
          ],
        },
      },
      [[], ...series.map(() => [])],
      host,
    );
    this.#observer = new ResizeObserver(() => {
      const width = Math.max(LEAST_WIDTH, host.clientWidth);
      if (width !== this.plot.width) this.plot.setSize({ width, height: total });
    });
    this.#observer.observe(host);
  }

  /** Spans of which each shows its extremes: more of them would be drawn for nobody to see, and take the time of a frame. */
  get buckets(): number {
    return Math.max(1, Math.ceil(this.plot.bbox.width / devicePixelRatio / PIXELS_A_BUCKET));
  }

  show({ fromMillis, toMillis }: TimeWindow, data: uPlot.AlignedData): void {
    this.plot.batch(() => {
      this.plot.setData(data, false);
      this.plot.setScale('x', { min: fromMillis, max: toMillis });
    });
  }

  destroy(): void {
    this.#observer.disconnect();
    this.plot.destroy();
  }
}

function axesOf({ theme, showsTimes, axis }: TimePlotOptions): uPlot.Axis[] {
  const common = {
    stroke: theme.muted,
    font: FONT,
    grid: { stroke: theme.grid, width: 1 },
    ticks: { show: false },
  };
  return [
    {
      ...common,
      size: showsTimes ? TIMES_HEIGHT : 0,
      space: 84,
      values: (plot, splits) => {
        if (!showsTimes) return splits.map(() => '');
        const fine = (plot.scales.x!.max ?? 0) - (plot.scales.x!.min ?? 0) < 5000;
        return splits.map((split) => (fine ? clockText(split, true).slice(3, 11) : clockText(split)));
      },
    },
    { ...common, size: AXIS_WIDTH, gap: 6, ...axis },
  ];
}
