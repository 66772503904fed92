/** One burst: its stages as a waterfall, what local allocations of its size take, and in words why. */
import { formatBytes, formatMicros } from '../../../units.ts';
import { type Burst, slowestTier } from '../data/burst.ts';
import { explain, STAGE_WORDS, stageSpans } from '../data/waterfall.ts';
import { clockText, plainText } from '../data/words.ts';
import { byId, make, say } from '../dom.ts';

const TIER_WORDS = {
  reserve: 'from its reserve',
  pool: 'from the pool',
  peer: 'with a donor',
  refused: 'refused',
} as const;

export class BurstPanel {
  #shown: Burst | undefined;

  /** @param chosen by the user; otherwise it is the latest that is worth a look. */
  show(burst: Burst | undefined, chosen: boolean): void {
    byId('burst-empty').hidden = burst !== undefined;
    byId('burst-body').hidden = burst === undefined;
    byId('burst-latest').hidden = !chosen;
    if (!burst || burst === this.#shown) return;
    this.#shown = burst;
    const kind = slowestTier(burst);
    say(byId('burst-title'), `${formatBytes(burst.requestedBytes)} for ${plainText(burst.domain, 32)}`);
    say(byId('burst-when'), clockText(burst.atMillis, true));
    const tier = byId('burst-tier');
    say(tier, TIER_WORDS[kind]);
    tier.dataset.kind = kind;
    say(byId('burst-total'), formatMicros(burst.totalMicros));
    say(byId('burst-why'), explain(burst));
    byId('burst-stages').replaceChildren(...stageRows(burst));
    byId('burst-compare').replaceChildren(...compareRows(burst));
  }
}

function stageRows(burst: Burst): Node[] {
  const spans = stageSpans(burst);
  const whole = Math.max(
    burst.totalMicros,
    spans.reduce((end, { startMicros, micros }) => Math.max(end, startMicros + micros), 0),
  );
  return spans.map(({ stage, startMicros, micros }) => {
    const bar = make('span', { class: 'bar', 'data-stage': stage });
    bar.style.left = `${(100 * startMicros) / whole}%`;
    bar.style.width = `${Math.max(0.6, (100 * micros) / whole)}%`;
    return make(
      'li',
      {},
      make(
        'span',
        { class: 'stage' },
        make('b', {}, stage === 'rest' ? 'other' : stage),
        make('small', {}, STAGE_WORDS[stage]),
      ),
      make('span', { class: 'track', 'aria-hidden': 'true' }, bar),
      make('span', { class: 'figure' }, formatMicros(micros)),
    );
  });
}

/** On one scale, that of the slowest. */
function compareRows({ totalMicros, local, refusal }: Burst): Node[] {
  if (!local || refusal !== undefined) {
    return [make('li', { class: 'none' }, 'No local allocation of this size was timed beside it.')];
  }
  const { bestMicros, freshMicros, bestWay } = local;
  const way = bestWay === 'huge' ? 'huge pages' : bestWay === 'warm' ? 'warm pages again' : plainText(bestWay, 16);
  const rows: [name: string, kind: string, micros: number][] = [
    ['this burst', 'burst', totalMicros],
    [`best local: ${way}`, 'best', bestMicros],
    ['malloc, fresh pages', 'fresh', freshMicros],
  ];
  const longest = Math.max(...rows.map(([, , micros]) => micros));
  return rows.map(([name, kind, micros]) => {
    const bar = make('span', { class: 'bar', 'data-kind': kind });
    bar.style.width = `${Math.max(0.6, (100 * micros) / longest)}%`;
    return make(
      'li',
      {},
      make('span', { class: 'stage' }, name),
      make('span', { class: 'track', 'aria-hidden': 'true' }, bar),
      make('span', { class: 'figure' }, formatMicros(micros)),
    );
  });
}
