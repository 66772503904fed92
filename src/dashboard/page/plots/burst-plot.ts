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
    const crowd = bursts.length > CROWD;
    const taken = new Set<number>();
    ctx.fillStyle = faded(theme.fresh, 0.75);
    for (const { atMillis, local } of bursts) {
      if (local) dash(plot, atMillis, local.freshMicros, crowd ? taken : undefined);
    }
    taken.clear();
    for (const burst of bursts) {
      const [x, y] = [plot.valToPos(burst.atMillis, 'x', true), plot.valToPos(burst.totalMicros, 'y', true)];
      if (crowd && isTaken(x, y, taken)) continue;
      symbol(ctx, slowestTier(burst), x, y, (crowd ? RADIUS * 0.6 : RADIUS) * devicePixelRatio, theme);
    }
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

const CELL = 2;
function isTaken(x: number, y: number, taken: Set<number>): boolean {
  const cell = Math.round(x / CELL) * 65_536 + Math.round(y / CELL);
  if (taken.has(cell)) return true;
  taken.add(cell);
  return false;
}

function dash(plot: uPlot, atMillis: number, micros: number, taken: Set<number> | undefined): void {
  const [x, y] = [plot.valToPos(atMillis, 'x', true), plot.valToPos(micros, 'y', true)];
  if (taken && isTaken(x, y, taken)) return;
  plot.ctx.fillRect(
    x - 2.5 * devicePixelRatio,
    y - 0.75 * devicePixelRatio,
    5 * devicePixelRatio,
    1.5 * devicePixelRatio,
  );
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
