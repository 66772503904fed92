/** The invariants, by name. */
export type Invariant =
  | 'conservation'
  | 'one owner'
  | 'scrubbed'
  | 'floor'
  | 'ceiling'
  | 'budgets'
  | 'progress'
  | 'promise kept'
  | 'nothing left behind'
  | 'violation reported'
  | 'left alone'
  | 'no crash';

/** An invariant does not hold. */
export class Violation extends Error {
  readonly invariant: Invariant;

  constructor(invariant: Invariant, what: string) {
    super(`${invariant}: ${what}`);
    this.invariant = invariant;
  }
}
