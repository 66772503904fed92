/** The whole drive in one strip, with the window in view as a frame that can be moved: by pointer and by keys. */

import { patienceMillis } from '../data/silences.ts';
import { type Extent, spanOf, type TimeWindow } from '../data/time-window.ts';
import type { Scene } from '../scene.ts';
import { faded } from '../theme.ts';

const HEIGHT = 36;
const LEFT = 66;
const RIGHT = 8;

export class Overview {
  readonly #canvas: HTMLCanvasElement;
  readonly #onWindow: (window: TimeWindow) => void;
  #extent: Extent | undefined;
  #window: TimeWindow | undefined;

  constructor(canvas: HTMLCanvasElement, onWindow: (window: TimeWindow) => void) {
    this.#canvas = canvas;
    this.#onWindow = onWindow;
    let grip: number | undefined;
    canvas.addEventListener('pointerdown', (event) => {
      const at = this.#millisAt(event);
      if (at === undefined) return;
      const { fromMillis, toMillis } = this.#window!;
      grip = at >= fromMillis && at <= toMillis ? at - fromMillis : spanOf(this.#window!) / 2;
      canvas.setPointerCapture(event.pointerId);
      this.#moveTo(at - grip);
    });
    canvas.addEventListener('pointermove', (event) => {
      const at = grip === undefined ? undefined : this.#millisAt(event);
      if (at !== undefined) this.#moveTo(at - grip!);
    });
    for (const type of ['pointerup', 'pointercancel'] as const) {
      canvas.addEventListener(type, () => {
        grip = undefined;
      });
    }
  }

  show({ model, window, theme }: Scene, extent: Extent): void {
    this.#extent = extent;
    this.#window = window;
    const canvas = this.#canvas;
    const width = canvas.clientWidth;
    const pixel = devicePixelRatio;
    if (canvas.width !== width * pixel || canvas.height !== HEIGHT * pixel) {
      canvas.width = width * pixel;
      canvas.height = HEIGHT * pixel;
    }
    const ctx = canvas.getContext('2d')!;
    ctx.setTransform(pixel, 0, 0, pixel, 0, 0);
    ctx.clearRect(0, 0, width, HEIGHT);
    const x = (millis: number): number =>
      LEFT + ((millis - extent.fromMillis) / Math.max(1, spanOf(extent))) * (width - LEFT - RIGHT);
    ctx.fillStyle = theme.grid;
    ctx.fillRect(LEFT, HEIGHT - 1, width - LEFT - RIGHT, 1);
    model.holders.forEach((domain, index) => {
      const { alloc } = domain;
      const patience = patienceMillis(domain);
      const leased = alloc.column('leased');
      const { times } = alloc;
      const rows = alloc.rowsToShow(extent.fromMillis, extent.toMillis, Math.ceil((width - LEFT) / 2));
      const peak = rows.reduce((most, row) => Math.max(most, leased[row]!), 1);
      ctx.beginPath();
      for (const row of rows) {
        const place = [x(times[row]!), HEIGHT - 2 - (leased[row]! / peak) * (HEIGHT - 6)] as const;
        if (times[row]! - (times[row - 1] ?? 0) > patience) ctx.moveTo(...place);
        else ctx.lineTo(...place);
      }
      ctx.strokeStyle = theme.domains[index % theme.domains.length]!;
      ctx.lineWidth = 1.25;
      ctx.stroke();
    });
    ctx.fillStyle = theme.mark;
    for (const { atMillis } of model.marks) ctx.fillRect(x(atMillis) - 0.75, 0, 1.5, HEIGHT);
    const [from, to] = [Math.max(LEFT, x(window.fromMillis)), Math.min(width - RIGHT, x(window.toMillis))];
    ctx.fillStyle = faded(theme.ground, 0.7);
    ctx.fillRect(LEFT, 0, from - LEFT, HEIGHT);
    ctx.fillRect(to, 0, width - RIGHT - to, HEIGHT);
    ctx.strokeStyle = theme.muted;
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.roundRect(from + 0.5, 0.5, Math.max(3, to - from - 1), HEIGHT - 1, 4);
    ctx.stroke();
  }

  #millisAt({ clientX }: PointerEvent): number | undefined {
    if (!this.#extent) return undefined;
    const { left, width } = this.#canvas.getBoundingClientRect();
    return this.#extent.fromMillis + ((clientX - left - LEFT) / (width - LEFT - RIGHT)) * spanOf(this.#extent);
  }

  #moveTo(fromMillis: number): void {
    this.#onWindow({ fromMillis, toMillis: fromMillis + spanOf(this.#window!) });
  }
}
