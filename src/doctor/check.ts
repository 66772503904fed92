/** A check: data about it, and a pure judgement of a machine's facts. */
import type { MachineFacts } from './facts.ts';

/** `degraded`: memtide runs, with less. `missing`: this part is off. */
export type Status = 'ok' | 'degraded' | 'missing' | 'not-applicable';

export interface Judgement {
  readonly status: Status;
  /** What was found. */
  readonly finding: string;
  /** What follows for memtide; absent where all is well. */
  readonly consequence?: string;
  /** What the user can do about it, one step an entry. */
  readonly mend?: readonly string[];
}

export const AREAS = ['Base', 'Memory', 'Pressure', 'Rights', 'Clock', 'Wires', 'Xen'] as const;
export type Area = (typeof AREAS)[number];

export interface Check {
  /** Stable: scripts may rely on it. */
  readonly id: string;
  readonly area: Area;
  readonly title: string;
  /** Where this is missing, memtide does not run at all. */
  readonly essential?: true;
  judge(facts: MachineFacts): Judgement;
}

export interface Finding extends Judgement {
  readonly id: string;
  readonly area: Area;
  readonly title: string;
  readonly essential: boolean;
}

export const ok = (finding: string): Judgement => ({ status: 'ok', finding });
export const notApplicable = (finding: string): Judgement => ({ status: 'not-applicable', finding });
export const degraded = (finding: string, consequence: string, mend: readonly string[] = []): Judgement => ({
  status: 'degraded',
  finding,
  consequence,
  mend,
});
export const missing = (finding: string, consequence: string, mend: readonly string[] = []): Judgement => ({
  status: 'missing',
  finding,
  consequence,
  mend,
});

export function judgeAll(checks: readonly Check[], facts: MachineFacts): Finding[] {
  return checks.map(({ id, area, title, essential = false, judge }) => ({
    id,
    area,
    title,
    essential,
    ...judge(facts),
  }));
}

/** Whether memtide can run, degraded or not. */
export const canRun = (findings: readonly Finding[]): boolean =>
  !findings.some(({ essential, status }) => essential && status === 'missing');
