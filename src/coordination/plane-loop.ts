import type { DoorbellWaiter } from '../control/contracts.ts';
import type { PlaneCommand, PlaneFigure, PlaneMessage } from './plane-thread.ts';

/** A plane as its thread drives it. */
export interface PlaneLoop {
  readonly waiter: DoorbellWaiter;
  /** One pass. @returns for how long the thread may sleep, in milliseconds, unless somebody rings. */
  poll(): number;
  /** What is due ten times a second although nobody rang. */
  beat(): void;
  obey(command: PlaneCommand): void;
  /** Brings the figures up to date. */
  publish(): void;
  /** After the last pass: lets go of what would stay with the process. */
  close?(): void;
}

/** What the thread has for every loop. */
export interface PlaneTools {
  set(name: PlaneFigure, value: number): void;
  /** What each pair has written that no honest front end writes. */
  readonly violations: Int32Array;
  /** Scrubbing whose CPU time is counted. */
  timed(scrub: (offset: number, length: number) => void): (offset: number, length: number) => void;
  say(message: PlaneMessage): void;
}
