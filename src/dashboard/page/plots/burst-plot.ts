/** Every burst as a mark: when it came, how long it took, whose memory it got. Beside it what malloc took for the same. */
import type uPlot from 'uplot';
import { type Burst, slowestTier } from '../data/burst.ts';
import type { Scene } from '../scene.ts';
import { type BurstKind, faded, type Theme } from '../theme.ts';
import { drawMarks, drawSilences } from './overlays.ts';
import { decades, decadeText } from './scales.ts';
import type { PlotContext, ScenePlot } from './scene-plot.ts';
import { TimePlot } from './time-plot.ts';

const HEIGHT = 200;
const RADIUS = 3.6;
/** A finger is no needle. */
const REACH_PIXELS = 24;
/** More than this many marks are drawn smaller, and none on the place of another. */
const CROWD = 3000;

export class BurstPlot implements ScenePlot {
  readonly #plot: TimePlot;
  #scene: Scene | undefined;

  constructor(context: PlotContext, theme: Theme) {
    this.#plot = new TimePlot({
      ...context,
      height: HEIGHT,
      theme,
      showsTimes: false,
      series: [{ paths: () => null, points: { show: false } }],
      scale: { distr: 3, log: 10, range: () => rangeOf(this.#scene?.bursts ?? []) },
      axis: {
        space: 24,
        splits: (_, __, min, max) => decades(min, max),
        values: (_, splits) => splits.map((micros) => decadeText(micros)),
      },
      above: (plot) => this.#draw(plot, theme),
    });
    context.onMade(this.#plot.plot);
  }

  show(scene: Scene): void {
    this.#scene = scene;
    const { fromMillis, toMillis } = scene.window;
    this.#plot.show(scene.window, [
      [fromMillis, toMillis],
      [1, 1],
    ]);
  }

  destroy(): void {
    this.#plot.destroy();
  }

  /** The burst that is drawn nearest to a place, if one is near. */
  nearest(left: number, top: number): Burst | undefined {
    const { plot } = this.#plot;
    let found: Burst | undefined;
    let least = REACH_PIXELS ** 2;
    for (const burst of this.#scene?.bursts ?? []) {
      const dx = plot.valToPos(burst.atMillis, 'x') - left;
      if (Math.abs(dx) > REACH_PIXELS) continue;
      const distance = dx ** 2 + (plot.valToPos(burst.totalMicros, 'y') - top) ** 2;
      if (distance < least) [found, least] = [burst, distance];
    }
    return found;
  }

  #draw(plot: uPlot, theme: Theme): void {
    const { bursts, selected, silences, marks } = this.#scene!;
    const { ctx } = plot;
    drawSilences(plot, silences, theme, false);
    drawMarks(plot, marks, theme, false);
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    ctx.clip();
    const place = placing(plot);
    if (bursts.length > CROWD) drawCrowd(plot, bursts, place, theme);
    else drawEach(plot, bursts, place, theme);
    if (selected) ring(plot, selected, theme);
    ctx.restore();
  }
}

function rangeOf(bursts: readonly Burst[]): [number, number] {
  let [least, greatest] = [Number.POSITIVE_INFINITY, 0];
  for (const { totalMicros, local } of bursts) {
    least = Math.min(least, totalMicros);
    greatest = Math.max(greatest, totalMicros, local?.freshMicros ?? 0);
  }
  if (greatest === 0) return [1, 10_000];
  return [10 ** Math.floor(Math.log10(Math.max(0.1, least * 0.8))), 10 ** Math.ceil(Math.log10(Math.max(1, greatest)))];
}

/** Canvas pixels of a moment and a latency: as uPlot has it, worked out once for all bursts. */
type Placing = (atMillis: number, micros: number) => readonly [x: number, y: number];

function placing({ bbox: { left, top, width, height }, scales: { x, y } }: uPlot): Placing {
  const [fromMillis, most] = [x!.min!, Math.log10(y!.max!)];
  const across = width / (x!.max! - fromMillis);
  const down = height / (most - Math.log10(y!.min!));
  return (atMillis, micros) => [left + (atMillis - fromMillis) * across, top + (most - Math.log10(micros)) * down];
}

function drawEach({ ctx }: uPlot, bursts: readonly Burst[], place: Placing, theme: Theme): void {
  const pixel = devicePixelRatio;
  ctx.fillStyle = faded(theme.fresh, 0.75);
  for (const { atMillis, local } of bursts) {
    if (!local) continue;
    const [x, y] = place(atMillis, local.freshMicros);
    ctx.fillRect(x - 2.5 * pixel, y - 0.75 * pixel, 5 * pixel, 1.5 * pixel);
  }
  for (const burst of bursts) {
    symbol(ctx, slowestTier(burst), ...place(burst.atMillis, burst.totalMicros), RADIUS * pixel, theme);
  }
}

/** Thousands of marks are small squares, no two of them in one place. */
function drawCrowd({ ctx, bbox }: uPlot, bursts: readonly Burst[], place: Placing, theme: Theme): void {
  const size = 2 * devicePixelRatio;
  const columns = Math.ceil((bbox.left + bbox.width) / size) + 1;
  const taken = new Uint8Array(columns * (Math.ceil((bbox.top + bbox.height) / size) + 1));
  const square = (atMillis: number, micros: number): void => {
    const [x, y] = place(atMillis, micros);
    const [column, row] = [Math.floor(x / size), Math.floor(y / size)];
    const cell = row * columns + column;
    if (column < 0 || row < 0 || column >= columns || taken[cell] !== 0) return;
    taken[cell] = 1;
    ctx.fillRect(column * size, row * size, size, size);
  };
  for (const kind of ['refused', 'peer', 'pool', 'reserve'] as const) {
    ctx.fillStyle = theme.bursts[kind];
    for (const burst of bursts) {
      if (slowestTier(burst) === kind) square(burst.atMillis, burst.totalMicros);
    }
  }
  ctx.fillStyle = faded(theme.fresh, 0.75);
  for (const { atMillis, local } of bursts) {
    if (local) square(atMillis, local.freshMicros);
  }
}

/** ● reserve, ◆ pool, ▲ peer, ✕ refused: told apart without their colours. */
export function symbol(
  ctx: CanvasRenderingContext2D,
  kind: BurstKind,
  x: number,
  y: number,
  radius: number,
  theme: Theme,
): void {
  ctx.fillStyle = theme.bursts[kind];
  ctx.beginPath();
  if (kind === 'reserve') ctx.arc(x, y, radius * 0.9, 0, 2 * Math.PI);
  else if (kind === 'pool') polygon(ctx, x, y, radius * 1.2, 4, 0);
  else if (kind === 'peer') polygon(ctx, x, y, radius * 1.3, 3, -Math.PI / 2);
  else {
    ctx.strokeStyle = theme.bursts.refused;
    ctx.lineWidth = radius * 0.6;
    ctx.moveTo(x - radius, y - radius);
    ctx.lineTo(x + radius, y + radius);
    ctx.moveTo(x + radius, y - radius);
    ctx.lineTo(x - radius, y + radius);
    ctx.stroke();
    return;
  }
  ctx.fill();
  ctx.strokeStyle = theme.ground;
  ctx.lineWidth = radius * 0.22;
  ctx.stroke();
}

function polygon(ctx: CanvasRenderingContext2D, x: number, y: number, radius: number, corners: number, turn: number) {
  for (let corner = 0; corner < corners; corner++) {
    const angle = turn + (2 * Math.PI * corner) / corners;
    ctx.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  ctx.closePath();
}

function ring(plot: uPlot, { atMillis, totalMicros }: Burst, theme: Theme): void {
  const { ctx } = plot;
  ctx.strokeStyle = theme.text;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ctx.arc(plot.valToPos(atMillis, 'x', true), plot.valToPos(totalMicros, 'y', true), 8 * devicePixelRatio, 0, 7);
  ctx.stroke();
}
