import type { Clock } from '../clock.ts';
import type { BackendCall, BackendNotice } from '../coordination/agent-protocol.ts';
import type { SessionReply } from '../coordination/session-protocol.ts';
import type { BudgetState } from '../platforms/budget/contracts.ts';
import type { MoveResult, ReservationLimits } from '../platforms/contracts.ts';
import type { BalloonMove } from '../platforms/xen/balloon-move.ts';
import type { BalloonRoute } from '../platforms/xen/balloon-route.ts';
import {
  marksAround,
  NO_DEMAND,
  observeDraw,
  type ReservePhase,
  stepReserve,
  type WatermarkRule,
  watermarksFor,
} from '../policy/watermarks.ts';
import { bytes, MIB, roundDown } from '../units.ts';
import { BudgetAnswers, type Moved } from './budget-answers.ts';
import { Changes } from './changes.ts';
import type { DomainBudget } from './domain-budget.ts';
import { DrawMeter } from './draw-meter.ts';
import type { Log } from './log.ts';

/** Of the balloon's driver, and so the smallest move that is worth its trouble. */
const BATCH = 2 * MIB;
/** Xen has refused: it is not asked again at once, for nobody has given up anything yet. */
const FIRST_PAUSE_MICROS = 500_000;
const LONGEST_PAUSE_MICROS = 8_000_000;

export interface GuestReservationOptions {
  readonly route: BalloonRoute;
  /** What is held ahead of need. */
  readonly reserve: WatermarkRule;
  /** A report, a plan, a donor's balloon: what is needed sooner has to be there already. */
  readonly horizonMicros: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly tell: (call: BackendCall) => boolean;
}

/** A move under way, and where it began. */
interface Under {
  readonly before: number;
  readonly move: BalloonMove;
}

interface Asked extends Under {
  readonly id: number;
}

/** How often and how far it grew by itself, for status. */
export type OwnMoves = Readonly<Record<'grown' | 'grown_bytes' | 'refused', number>>;

/**
 * The whole reservation of a guest, on the guest's side. It grows ahead of need within its entitlement, with nobody's
 * consent: programs that know nothing of memtide find memory that is there already. What exceeds the entitlement is told
 * to the back end, and what the back end asks for is given up. One move of the balloon is under way at a time, and nothing
 * here waits for it.
 */
export class GuestReservation implements DomainBudget {
  readonly enforcedBy = 'Xen (balloon)';
  readonly #options: GuestReservationOptions;
  readonly #answers = new BudgetAnswers();
  readonly #told = new Changes();
  readonly #draws: DrawMeter;
  /** As last told to the back end. */
  readonly #reported = { used: 0, wanted: 0 };
  #demand = NO_DEMAND;
  #phase: ReservePhase = 'steady';
  /** Less is available than its programs may need before more can have come. */
  #isShort = false;
  #state: BudgetState;
  /** What it should hold, by its watermarks and its rise. */
  #wanted = 0;
  /** By itself. */
  #growth: Under | undefined;
  /** By the back end. */
  #asked: Asked | undefined;
  #pauseMicros = 0;
  #pausedUntilMicros = 0;
  #own: OwnMoves = { grown: 0, grown_bytes: 0, refused: 0 };

  constructor(options: GuestReservationOptions) {
    this.#options = options;
    this.#draws = new DrawMeter(options.horizonMicros);
    this.#state = this.#read();
    this.#wanted = this.#state.limit;
  }

  get limits(): ReservationLimits {
    return this.#options.route.limits;
  }

  /** The entitlement has moved: what it allows is taken at once, if it is wanted. */
  set limits(limits: ReservationLimits) {
    const { route } = this.#options;
    const rises = limits.ceiling > route.limits.ceiling;
    route.limits = limits;
    if (!rises) return;
    this.#pausedUntilMicros = 0;
    if (!this.#asked) this.#grow();
  }

  get state(): BudgetState {
    return this.#state;
  }

  get own(): OwnMoves {
    return this.#own;
  }

  refresh(): BudgetState {
    this.#state = this.#read();
    return this.#state;
  }

  rebalance(riseBytesPerSecond: number): void {
    this.refresh();
    this.#forecast(riseBytesPerSecond);
    if (this.#asked) this.#lookAtAsked(this.#asked);
    else if (this.#growth) this.#lookAtGrowth(this.#growth);
    if (!this.#asked) this.#grow();
  }

  meet(epoch: number): void {
    if (!this.#answers.meet(epoch)) return;
    // What another back end has asked for is nobody's any more; this one counts anew.
    this.#asked?.move.giveUp('peer-gone', 'the back end is another one');
    this.#asked = undefined;
  }

  report(_riseBytesPerSecond: number, always = false): void {
    this.#report(always);
  }

  #report(always: boolean): void {
    const { limit, used } = this.#state;
    // What goes up and down by less than the balloon moves is no news: each report costs dom0 a wake-up, or several.
    const usedBytes = this.#follow('used', used, always);
    const wantedBytes = this.#follow('wanted', this.#wanted, always);
    const pressured = this.#wanted > limit + BATCH && this.#wanted > this.#options.route.mostBytes;
    const { lastId } = this.#answers;
    if (!this.#told.isNew('report', always, limit, usedBytes, wantedBytes, pressured, lastId)) return;
    this.#options.tell({ op: 'report', usedBytes, limitBytes: limit, wantedBytes, programs: 1, pressured, lastId });
  }

  move({ id, changeBytes }: BackendNotice & { readonly notice: 'budget' }): void {
    if (this.#asked?.id === id) return; // told again; the answer comes when it is done
    const known = this.#answers.find(id);
    if (known) {
      this.#options.tell(known);
      return;
    }
    if (this.#asked || !this.#answers.isNew(id)) return; // another first; it is told again
    this.#endGrowth();
    const { route } = this.#options;
    const before = route.state().limit;
    // How far it may grow as it is asked is Xen's to say: its entitlement is what it takes by itself.
    const begun =
      changeBytes < 0
        ? route.beginShrink(bytes(-changeBytes))
        : route.beginGrow(bytes(changeBytes), bytes(before + changeBytes));
    if (begun.ok) this.#asked = { id, before, move: begun.move };
    else this.#answer(id, before, begun.refused);
  }

  program(): SessionReply {
    return {
      ok: false,
      error: 'the domain is a whole guest of Xen: every program in it is under its reservation',
      remedy: 'start the program as usual',
    };
  }

  /** The balloon stays where it is. */
  close(): void {
    this.#endGrowth();
    this.#asked?.move.giveUp('peer-gone', 'the agent ends');
  }

  /** @returns the figure as last reported, while it has not moved by a batch since. */
  #follow(figure: 'used' | 'wanted', bytes: number, always: boolean): number {
    if (always || Math.abs(bytes - this.#reported[figure]) >= BATCH) this.#reported[figure] = roundDown(bytes, MIB);
    return this.#reported[figure];
  }

  #read(): BudgetState {
    const { limit, used } = this.#options.route.state();
    return { limit, used, residentBytes: used, processes: 1 };
  }

  /** What is wanted: use, and the reserve for what was taken within the horizon, or will be at the present rise. */
  #forecast(riseBytesPerSecond: number): void {
    const { clock, reserve, horizonMicros } = this.#options;
    const now = clock.monotonicMicros();
    const { limit, used } = this.#state;
    const climb = (Math.max(0, riseBytesPerSecond) * horizonMicros) / 1e6;
    this.#demand = observeDraw(this.#demand, this.#draws.observe(used, now), now, reserve);
    const remembered = watermarksFor(this.#demand, now, reserve);
    // What rises now goes on, as far as anybody knows: it is not bound by what is kept for a rise that may come.
    const marks = climb > remembered.target ? marksAround(climb, reserve) : remembered;
    const available = limit - used;
    const step = stepReserve(marks, available, this.#phase, reserve);
    this.#phase = step.phase;
    this.#isShort = available < Math.max(climb, reserve.smallestTarget) * reserve.lowShare;
    // Between the watermarks nothing moves; what it holds beyond them it can do without.
    this.#wanted = step.change === 0 ? limit : limit + step.change;
  }

  #grow(): void {
    const { route, clock, log } = this.#options;
    const goal = bytes(roundDown(Math.min(this.#wanted, route.mostBytes), MIB));
    if (this.#growth) {
      const { move } = this.#growth;
      // Beyond its entitlement the driver would fail, and sleep for seconds before it tries again.
      if (Math.abs(goal - move.wanted) >= BATCH) move.retarget(bytes(Math.max(goal, this.#state.limit)));
      return;
    }
    const by = goal - this.#state.limit;
    if (by < BATCH || clock.monotonicMicros() < this.#pausedUntilMicros) return;
    const begun = route.beginGrow(bytes(by));
    if (begun.ok) this.#growth = { before: this.#state.limit, move: begun.move };
    else log.debug({ reason: begun.refused.reason }, 'the reservation cannot grow');
  }

  #lookAtGrowth({ before, move }: Under): void {
    const result = move.look();
    if (!result) return;
    this.#growth = undefined;
    this.refresh();
    const { grown, grown_bytes, refused } = this.#own;
    this.#own = {
      grown: grown + (result.ok ? 1 : 0),
      grown_bytes: grown_bytes + Math.max(0, result.limit - before),
      refused: refused + (result.ok ? 0 : 1),
    };
    if (result.ok) {
      this.#pauseMicros = 0;
      return;
    }
    this.#pauseMicros = Math.min(LONGEST_PAUSE_MICROS, this.#pauseMicros * 2 || FIRST_PAUSE_MICROS);
    this.#pausedUntilMicros = this.#options.clock.monotonicMicros() + this.#pauseMicros;
    this.#options.log.debug({ refusal: result.refusal, reason: result.reason }, 'Xen did not let it grow as wanted');
  }

  /** What it is asked to give it keeps as soon as its own programs are about to need it. */
  #lookAtAsked({ id, before, move }: Asked): void {
    const needsIt = move.wanted < before && this.#isShort;
    const result = move.look() ?? (needsIt ? move.giveUp('floor', 'its own programs need it') : undefined);
    if (!result) return;
    // What is answered is judged by what it had said of its need.
    if (!result.ok) this.#report(true);
    // It does not take back by itself what it has just given.
    const { route } = this.#options;
    const { floor, ceiling } = route.limits;
    if (result.limit < before) route.limits = { floor, ceiling: bytes(Math.min(ceiling, result.limit)) };
    this.#asked = undefined;
    this.#answer(id, before, result);
  }

  #answer(id: number, before: number, result: MoveResult): void {
    if (!result.ok)
      this.#options.log.debug(
        { refusal: result.refusal, reason: result.reason },
        'the reservation did not move as asked',
      );
    this.refresh();
    const moved = this.#answers.answer(
      id,
      (): Moved => ({ op: 'moved', id, changeBytes: result.limit - before, limitBytes: result.limit }),
    );
    if (moved) this.#options.tell(moved);
  }

  #endGrowth(): void {
    this.#growth?.move.giveUp('peer-gone', 'the back end asks for memory');
    this.#growth = undefined;
  }
}
