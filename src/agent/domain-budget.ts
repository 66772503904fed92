import type { BackendNotice } from '../coordination/agent-protocol.ts';
import type { SessionCall, SessionReply } from '../coordination/session-protocol.ts';
import type { BudgetState } from '../platforms/budget/contracts.ts';
import type { ReservationLimits } from '../platforms/contracts.ts';

/**
 * What bounds the unmodified programs of a domain, on the domain's side: a budget for those that were put under it, or the
 * whole reservation of a guest. Its use is told to the back end, and what the back end moves is done once, however often
 * it is told.
 */
export interface DomainBudget {
  /** The name of what enforces it, for people. */
  readonly enforcedBy: string;
  /** How far it may be moved. */
  limits: ReservationLimits;
  /** As last read. */
  readonly state: BudgetState;
  /** What it did unasked, for status; left out where it does nothing so. */
  readonly own?: Readonly<Record<string, number>>;
  /** Reads it anew, if there is anything to read. */
  refresh(always?: boolean): BudgetState;
  /** Follows what the programs did since the last time; at each tick of the agent. */
  rebalance(riseBytesPerSecond: number): void;
  /** The link stands to the back end of this life: it is told everything. */
  meet(epoch: number): void;
  /** Tells the back end how the programs are, and what they will want. */
  report(riseBytesPerSecond: number, always?: boolean): void;
  move(notice: BackendNotice & { readonly notice: 'budget' }): void;
  program(call: SessionCall & { op: 'program' }): SessionReply;
  close(): void;
}
