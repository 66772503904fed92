/**
 * A budget for a group of processes on one machine: the domain where there is no hypervisor. Two things can enforce it, a
 * cgroup and RLIMIT_DATA; they differ in what they count and in what happens at the limit.
 */
import type { Bytes } from '../../units.ts';
import type { ReservationRoute, ReservationState } from '../contracts.ts';

export interface BudgetState extends ReservationState {
  /** Memory of the domain that is resident, whether or not the limit counts it. */
  readonly residentBytes: Bytes;
  /** Living processes in the domain. */
  readonly processes: number;
}

export type AddResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly remedy?: string };

export interface ProcessBudget extends ReservationRoute {
  /** What a program meets that goes beyond the limit, for people. */
  readonly atTheLimit: string;
  state(): BudgetState;
  /** Puts a running process under the budget. Children that it starts from then on belong to it too. */
  addProgram(pid: number): AddResult;
  /** Takes a program that was added, and its descendants, out. One that is not in the budget, or has ended, is no error. */
  removeProgram(pid: number): void;
  /** Follows what the programs did since the last time. Cheap; called at each tick of the agent. */
  rebalance(): void;
}

/** Where a domain's budget starts, and how far it may be moved. */
export interface BudgetOptions {
  /** Of the domain: letters, digits, `-`, `_` and `.`. */
  readonly name: string;
  readonly limit: Bytes;
  readonly floor: Bytes;
  readonly ceiling: Bytes;
}
