/** What lies over every plot: marks, and spans of which nothing is known. */
import type uPlot from 'uplot';
import type { Mark } from '../data/drive-model.ts';
import type { Silence } from '../data/silences.ts';
import { durationText, plainText } from '../data/words.ts';
import type { Theme } from '../theme.ts';

const FONT_SIZE = 11;
const HATCH_STEP = 7;
/** A silence narrower than this bears no words. */
const LEAST_WORDS = 90;

/** Hatches what is not known. @param worded says so in the plot, where there is room. */
export function drawSilences(plot: uPlot, silences: readonly Silence[], theme: Theme, worded: boolean): void {
  const { ctx, bbox } = plot;
  for (const silence of silences) {
    const left = Math.max(bbox.left, plot.valToPos(silence.fromMillis, 'x', true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(silence.toMillis, 'x', true));
    if (right <= left) continue;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, bbox.top, right - left, bbox.height);
    ctx.clip();
    ctx.fillStyle = `${theme.ground}cc`;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.setLineDash([]);
    ctx.strokeStyle = `${theme.muted}55`;
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    for (let x = left - bbox.height; x < right; x += HATCH_STEP * devicePixelRatio) {
      ctx.moveTo(x, bbox.top + bbox.height);
      ctx.lineTo(x + bbox.height, bbox.top);
    }
    ctx.stroke();
    if (worded && right - left > LEAST_WORDS * devicePixelRatio) {
      const words = `nothing heard of ${plainText(silence.domain, 24)}, ${durationText(silence.toMillis - silence.fromMillis)}`;
      label(ctx, words, (left + right) / 2, bbox.top + 16 * devicePixelRatio, theme, 'center');
    }
    ctx.restore();
  }
}

/** A line for each mark; its words where `worded`. */
export function drawMarks(plot: uPlot, marks: readonly Mark[], theme: Theme, worded: boolean): void {
  const { ctx, bbox } = plot;
  let free = Number.NEGATIVE_INFINITY;
  ctx.save();
  ctx.setLineDash([]);
  ctx.strokeStyle = theme.mark;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  for (const { atMillis, label: text } of marks) {
    const x = plot.valToPos(atMillis, 'x', true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (!worded || x < free) continue;
    const words = `⚑ ${plainText(text ?? 'mark', 24)}`;
    const width = label(ctx, words, x + 4 * devicePixelRatio, bbox.top + 10 * devicePixelRatio, theme, 'left');
    free = x + width;
  }
  ctx.restore();
}

function label(
  ctx: CanvasRenderingContext2D,
  words: string,
  x: number,
  y: number,
  theme: Theme,
  align: 'left' | 'center',
): number {
  const pixel = devicePixelRatio;
  ctx.font = `500 ${FONT_SIZE * pixel}px Inter, system-ui, sans-serif`;
  ctx.textAlign = align;
  ctx.textBaseline = 'middle';
  const width = ctx.measureText(words).width + 10 * pixel;
  const left = align === 'left' ? x : x - width / 2;
  ctx.fillStyle = `${theme.ground}e6`;
  ctx.beginPath();
  ctx.roundRect(left, y - 8 * pixel, width, 16 * pixel, 4 * pixel);
  ctx.fill();
  ctx.fillStyle = theme.text;
  ctx.fillText(words, align === 'left' ? x + 5 * pixel : x, y + 0.5 * pixel);
  return width + 8 * pixel;
}
