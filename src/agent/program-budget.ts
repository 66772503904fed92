import type { BackendCall, BackendNotice } from '../coordination/agent-protocol.ts';
import type { SessionCall, SessionReply } from '../coordination/session-protocol.ts';
import { type BudgetChoice, chooseBudget } from '../platforms/budget/choose.ts';
import type { BudgetOptions, BudgetState } from '../platforms/budget/contracts.ts';
import { bytes, MIB } from '../units.ts';
import { BudgetAnswers } from './budget-answers.ts';
import { Changes } from './changes.ts';
import type { DomainBudget } from './domain-budget.ts';
import type { Log } from './log.ts';
import { answerProgram } from './programs.ts';

/** How far ahead a budget grows: a report, a plan, a donor's answer and a punch take some tens of milliseconds. */
const GROWTH_HORIZON_MICROS = 300_000;
/** What running programs are to have free at any time. */
const PROGRAM_HEADROOM = 32 * MIB;

/**
 * The budget of a domain's unmodified programs, on the domain's side: what they use is told to the back end, and what the
 * back end moves is done once, however often it is told.
 */
export class ProgramBudget implements DomainBudget {
  readonly #choice: BudgetChoice;
  readonly #log: Log;
  readonly #tell: (call: BackendCall) => boolean;
  readonly #answers = new BudgetAnswers();
  readonly #told = new Changes();
  /** As last read: reading it means opening files. */
  #state: BudgetState;

  constructor(options: BudgetOptions & { readonly log: Log; readonly tell: (call: BackendCall) => boolean }) {
    this.#log = options.log;
    this.#tell = options.tell;
    const { name, limit, floor, ceiling } = options;
    this.#choice = chooseBudget({ name, limit, floor, ceiling, pid: process.pid });
    this.#state = this.#choice.budget.state();
    this.#log.info({ enforced_by: this.enforcedBy, reason: this.#choice.reason }, 'budget');
  }

  get enforcedBy(): BudgetChoice['budget']['enforcedBy'] {
    return this.#choice.budget.enforcedBy;
  }

  /** How far the budget may be moved. */
  get limits(): BudgetChoice['budget']['limits'] {
    return this.#choice.budget.limits;
  }

  set limits(limits: BudgetChoice['budget']['limits']) {
    this.#choice.budget.limits = limits;
  }

  /** As last read. */
  get state(): BudgetState {
    return this.#state;
  }

  /** Reads it anew, if there is anything to read. */
  refresh(always = false): BudgetState {
    if (always || this.#state.processes > 0) this.#state = this.#choice.budget.state();
    return this.#state;
  }

  rebalance(_riseBytesPerSecond = 0): void {
    if (this.#state.processes > 0) this.#choice.budget.rebalance();
  }

  /** The link stands to the back end of this life: it is told everything. */
  meet(epoch: number): void {
    this.#answers.meet(epoch);
  }

  /**
   * Tells the back end how the programs are, and what they will want: what they use, and what the present rate adds until
   * memory can have come. Nothing is said while nothing changes.
   */
  report(riseBytesPerSecond: number, always = false): void {
    const { limit, used, processes } = this.#state;
    const climb = (Math.max(0, riseBytesPerSecond) * GROWTH_HORIZON_MICROS) / 1e6;
    const wantedBytes = processes === 0 ? 0 : Math.round(used + climb + PROGRAM_HEADROOM);
    const pressured = processes > 0 && limit - used < climb + PROGRAM_HEADROOM / 2;
    const { lastId } = this.#answers;
    if (!this.#told.isNew('report', always, limit, used, wantedBytes, pressured, lastId)) return;
    this.#tell({
      op: 'report',
      usedBytes: used,
      limitBytes: limit,
      wantedBytes,
      programs: processes,
      pressured,
      lastId,
    });
  }

  move({ id, changeBytes }: BackendNotice & { readonly notice: 'budget' }): void {
    const moved = this.#answers.answer(id, () => {
      const { budget } = this.#choice;
      const before = budget.state().limit;
      const result = changeBytes > 0 ? budget.grow(bytes(changeBytes)) : budget.shrink(bytes(-changeBytes));
      if (!result.ok)
        this.#log.debug({ refusal: result.refusal, reason: result.reason }, 'the budget did not move as asked');
      this.#state = budget.state();
      return { op: 'moved', id, changeBytes: result.limit - before, limitBytes: result.limit };
    });
    if (moved) this.#tell(moved);
  }

  program(call: SessionCall & { op: 'program' }): SessionReply {
    const reply = answerProgram(this.#choice.budget, call, this.#log);
    this.#state = this.#choice.budget.state();
    return reply;
  }

  close(): void {
    this.#choice.budget.close();
  }
}
