/** The distribution of latencies in the window, for all sizes or one. */

import { SAMPLES_FOR_P99 } from '../../../latency/percentiles.ts';
import { formatBytes, formatMicros } from '../../../units.ts';
import type { Burst } from '../data/burst.ts';
import { CURVES, type Curve, distributionOf, frequentSizes } from '../data/distribution.ts';
import { byId, make, say } from '../dom.ts';
import { CdfPlot } from '../plots/cdf-plot.ts';
import type { Scene } from '../scene.ts';
import type { Theme } from '../theme.ts';

const MOST_SIZES = 8;
const CURVE_WORDS: Readonly<Record<Curve, string>> = { burst: 'bursts', best: 'best local', fresh: 'malloc' };

export class LatencyPanel {
  readonly #select = byId<HTMLSelectElement>('latency-size');
  #plot: CdfPlot | undefined;
  #theme: Theme | undefined;

  constructor(onChange: () => void) {
    this.#select.addEventListener('change', onChange);
  }

  show({ bursts, theme }: Scene): void {
    if (theme !== this.#theme) {
      this.#plot?.destroy();
      this.#plot = new CdfPlot(byId('latency-plot'), theme);
      this.#theme = theme;
    }
    this.#offerSizes(bursts);
    const size = Number(this.#select.value);
    const distribution = distributionOf(
      size === 0 ? bursts : bursts.filter(({ requestedBytes }) => requestedBytes === size),
    );
    this.#plot!.show(distribution);
    byId('latency-rows').replaceChildren(
      ...CURVES.map((curve) => {
        const summary = distribution.summary[curve];
        const figure = (micros: number | undefined): HTMLElement =>
          make('td', {}, micros === undefined ? '–' : formatMicros(micros));
        return make(
          'tr',
          {},
          make('th', { scope: 'row' }, make('i', { class: 'key', 'data-kind': curve }), CURVE_WORDS[curve]),
          figure(summary?.p50),
          figure(summary?.p99),
          figure(summary?.max),
        );
      }),
    );
    say(byId('latency-note'), noteOf(distribution.summary.burst?.n ?? 0, distribution.unpaired));
  }

  /** Keeps what was chosen, as long as it occurs. */
  #offerSizes(bursts: readonly Burst[]): void {
    const sizes = frequentSizes(bursts, MOST_SIZES);
    const chosen = Number(this.#select.value);
    const wanted = [0, ...new Set(chosen === 0 ? sizes : [...sizes, chosen].sort((a, b) => a - b))];
    const there = [...this.#select.options].map(({ value }) => Number(value));
    if (wanted.join() === there.join()) return;
    this.#select.replaceChildren(
      ...wanted.map((size) => make('option', { value: String(size) }, size === 0 ? 'all sizes' : formatBytes(size))),
    );
    this.#select.value = String(chosen);
  }
}

function noteOf(paired: number, unpaired: number): string {
  if (paired === 0) return 'No burst in view has a local allocation of its size to compare with.';
  const few = paired < SAMPLES_FOR_P99 ? ` p99 from ${SAMPLES_FOR_P99.toLocaleString('en')} on.` : '';
  const others = unpaired === 0 ? '' : ` ${unpaired.toLocaleString('en')} more have none yet.`;
  return `${paired.toLocaleString('en')} bursts in view, each with a local allocation of its size.${others}${few}`;
}
