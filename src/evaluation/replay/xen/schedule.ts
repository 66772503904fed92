/**
 * What each of two guests plays, and when. All three recordings are played in both guests, so that one guest's need is low
 * where the other's is high: together their peaks are more than there is, at any one time their need is not. Pure.
 */
import type { MemoryTrace } from '../../../pressure/trace.ts';
import type { Bytes } from '../../../units.ts';
import { DEFAULT_REPLAY_RULE, planReplay, type ReplayPlan, type ReplayStep } from '../plan.ts';

export interface StudySizes {
  /** All that both guests, and what lies free between them, may be at any time. */
  readonly totalBytes: Bytes;
  /** No rival takes a guest below it. */
  readonly floorBytes: Bytes;
  /** What a guest was booted with: it never holds more. */
  readonly bootBytes: Bytes;
  /** The largest recording of the schedule is scaled to hold so much at its peak. */
  readonly peakBytes: Bytes;
  /** Each recording is played in this time, whatever it took. */
  readonly slotSeconds: number;
}

interface Play {
  readonly recording: string;
  /** Begins so much later than its slot, as a share of the time it is played in. */
  readonly after: number;
  /** Of `peakBytes`. */
  readonly share: number;
}

const play = (recording: string, after = 0, share = 1): Play => ({ recording, after, share });

/**
 * By slot, one play for each guest. The transcode needs the whole peak, in four waves; the others are scaled to half of it, so
 * that a wave fits beside what the other guest needs, and two do not. The browser's need climbs to the end: begun 8 % later, it
 * is at its height where the last wave has gone. The compile holds most of its peak all the time.
 */
const SLOTS: ReadonlyArray<readonly [Play, Play]> = [
  [play('browser-pages', 0.08, 0.5), play('video-transcode')],
  [play('video-transcode'), play('browser-pages', 0.08, 0.5)],
  [play('compile-cpp', 0.08, 0.5), play('compile-cpp', 0, 0.5)],
];

/** From the end of the longest play of a slot to the next slot: what was held is given back. */
const PAUSE_MICROS = 1_000_000;

export const RECORDINGS: readonly string[] = [...new Set(SLOTS.flat().map(({ recording }) => recording))];

/** One plan for each guest. @param traces by the name of the recording. */
export function scheduleOf(
  traces: ReadonlyMap<string, MemoryTrace>,
  { peakBytes, slotSeconds }: Pick<StudySizes, 'peakBytes' | 'slotSeconds'>,
): readonly [ReplayPlan, ReplayPlan] {
  const playMicros = slotSeconds * 1e6;
  const longest = Math.max(...SLOTS.flat().map(({ after }) => 1 + after)) * playMicros;
  const planOf = (guest: 0 | 1): ReplayPlan =>
    joined(
      SLOTS.map((slot, at) => {
        const { recording, after, share } = slot[guest];
        const trace = traces.get(recording)!;
        return {
          startMicros: at * (longest + PAUSE_MICROS) + after * playMicros,
          plan: planReplay(trace, { ...DEFAULT_REPLAY_RULE, ...fitted(trace, peakBytes * share, playMicros) }),
        };
      }),
    );
  return [planOf(0), planOf(1)];
}

function fitted({ atMicros, usedBytes }: MemoryTrace, peakBytes: number, micros: number) {
  return {
    scale: peakBytes / usedBytes.reduce((most, used) => Math.max(most, used), 1),
    speed: (atMicros.at(-1)! - atMicros[0]!) / micros,
  };
}

/** One after the other, as one program. */
function joined(plays: readonly { readonly startMicros: number; readonly plan: ReplayPlan }[]): ReplayPlan {
  const steps: ReplayStep[] = [];
  let leases = 0;
  let end = 0;
  for (const { startMicros, plan } of plays) {
    for (const step of plan.steps)
      steps.push({ ...step, atMicros: Math.round(startMicros + step.atMicros), lease: leases + step.lease });
    leases += plan.steps.filter(({ kind }) => kind === 'take').length;
    end = startMicros + plan.durationMicros;
  }
  return { steps, durationMicros: Math.round(end), peakBytes: Math.max(...plays.map(({ plan }) => plan.peakBytes)) };
}

/** What the plans hold at most, each alone and at any one time together. */
export interface Needs {
  readonly sumOfPeaksBytes: number;
  readonly jointPeakBytes: number;
}

export function needsOf(plans: readonly ReplayPlan[]): Needs {
  const sizes = plans.map(
    (plan) => new Map(plan.steps.flatMap((s) => (s.kind === 'take' ? [[s.lease, s.byteLength]] : []))),
  );
  const changes = plans
    .flatMap(({ steps }, at) =>
      steps.map((step) => ({
        atMicros: step.atMicros,
        by: step.kind === 'take' ? step.byteLength : -sizes[at]!.get(step.lease)!,
      })),
    )
    // What falls on one instant is taken first: programs do not wait for each other.
    .sort((a, b) => a.atMicros - b.atMicros || b.by - a.by);
  let held = 0;
  let joint = 0;
  for (const { by } of changes) {
    held += by;
    joint = Math.max(joint, held);
  }
  return { sumOfPeaksBytes: plans.reduce((sum, { peakBytes }) => sum + peakBytes, 0), jointPeakBytes: joint };
}

/** Peaks above the total and a half that does not hold one: else there is nothing to be seen. */
export function tightness(
  { totalBytes }: StudySizes,
  plans: readonly ReplayPlan[],
  /** What each guest needs for itself, programs aside. */
  ownBytes: readonly number[],
): { readonly peaksBytes: number; readonly togetherBytes: number; readonly isTight: boolean } {
  const own = ownBytes.reduce((sum, each) => sum + each, 0);
  const { sumOfPeaksBytes, jointPeakBytes } = needsOf(plans);
  const peaksBytes = own + sumOfPeaksBytes;
  return { peaksBytes, togetherBytes: own + jointPeakBytes, isTight: peaksBytes > totalBytes };
}

/** As `play-plan` reads it. */
export function planText({ steps, durationMicros }: ReplayPlan): string {
  const lines = steps.map((step) =>
    [step.kind, step.atMicros, step.lease, step.kind === 'take' ? step.byteLength : 0].join(' '),
  );
  return `${[...lines, `end ${durationMicros} 0 0`].join('\n')}\n`;
}
