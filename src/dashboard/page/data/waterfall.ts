/** A burst's stages one after the other, and in words what made it fast or slow. */
import { formatBytes, formatMicros } from '../../../units.ts';
import { type Burst, STAGES, type Stage } from './burst.ts';
import { plainText, ratioText, shareText } from './words.ts';

export interface StageSpan {
  readonly stage: Stage | 'rest';
  readonly startMicros: number;
  readonly micros: number;
}

export const STAGE_WORDS: Readonly<Record<Stage | 'rest', string>> = {
  detect: 'need is noticed',
  notify: 'back end is told',
  decide: 'donors are chosen',
  release: 'donor lets go, pages are scrubbed',
  populate: 'memory is claimed and mapped',
  touch: 'every byte is written',
  rest: 'between the stages',
};

/** Below this what no stage accounts for is rounding. */
const LEAST_REST_MICROS = 0.5;
const WORTH_A_WORD_MICROS = 1;

export function stageSpans({ stages, totalMicros }: Burst): StageSpan[] {
  const spans: StageSpan[] = [];
  let at = 0;
  for (const stage of STAGES) {
    const micros = stages[stage];
    if (micros === undefined) continue;
    spans.push({ stage, startMicros: at, micros });
    at += micros;
  }
  const rest = totalMicros - at;
  if (rest > LEAST_REST_MICROS) spans.push({ stage: 'rest', startMicros: at, micros: rest });
  return spans;
}

/** One or two sentences: where the memory came from, who had to be asked, and how it compares. */
export function explain(burst: Burst): string {
  if (burst.refusal !== undefined) return `Refused: ${plainText(burst.refusal, 160)}.`;
  return [source(burst), comparison(burst)].filter((sentence) => sentence !== '').join(' ');
}

function source({ tierBytes, domain, stages, totalMicros }: Burst): string {
  const { reserve, pool, peer } = tierBytes;
  const name = plainText(domain);
  if (peer > 0) {
    const what = reserve + pool > 0 ? `${formatBytes(peer)} of it` : 'All of it';
    const { release = 0 } = stages;
    // The back end may find memory that was given up before: then nobody has to let go.
    if (release < WORTH_A_WORD_MICROS) return `${what} was handed over by the back end, from memory given up before.`;
    return `${what} came from another domain, asked through the back end, and letting go took ${shareText(release, totalMicros)} of the time.`;
  }
  if (reserve > 0 && pool > 0) {
    return `It came from the reserve of ${name} and from the pool: memory that was warm and set aside, so nobody had to be asked.`;
  }
  if (pool > 0) return `It came from the pool, offered to ${name} before: one compare-and-swap, nobody was woken.`;
  return `It came from the reserve that ${name} held already, warm and mapped: nobody had to be asked.`;
}

function comparison({ local, totalMicros }: Burst): string {
  if (!local) return '';
  const { freshMicros, bestMicros } = local;
  const against = (micros: number): string =>
    totalMicros <= micros
      ? `${ratioText(micros / totalMicros)} faster than`
      : `${ratioText(totalMicros / micros)} the time of`;
  return `${formatMicros(totalMicros)} is ${against(freshMicros)} malloc of fresh pages and ${against(bestMicros)} the best local way.`;
}
