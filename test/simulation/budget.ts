import type { BackendCall } from '../../src/coordination/agent-protocol.ts';
import { MIB } from '../../src/units.ts';
import type { Random } from './random.ts';

/** Where the private budget of each domain may move, in MiB. */
export interface BudgetSizes {
  readonly floorMib: number;
  readonly ceilingMib: number;
  readonly startMib: number;
}

/** What bounds a domain's private memory, and the programs within: the kernel's, so it outlives the agent. */
export class Budget {
  readonly floor: number;
  readonly ceiling: number;
  limit: number;
  used: number;
  #pressured = false;
  #wanted = 0;

  constructor(sizes: BudgetSizes | undefined) {
    this.floor = (sizes?.floorMib ?? 0) * MIB;
    this.ceiling = (sizes?.ceilingMib ?? 0) * MIB;
    this.limit = (sizes?.startMib ?? 0) * MIB;
    this.used = Math.min(this.floor, this.limit);
  }

  /** As `ReservationRoute` moves: refused whole beyond ceiling, floor or use. */
  move(changeBytes: number): void {
    const target = this.limit + changeBytes;
    if (changeBytes > 0 ? target > this.ceiling : target < Math.max(this.floor, this.used)) return;
    this.limit = target;
  }

  /** The programs go on: they need more, or less. */
  live(random: Random): void {
    if (this.ceiling === 0) return;
    if (random.chance(0.1)) this.#wanted = random.between(0, this.ceiling);
    this.used += Math.trunc((this.#wanted - this.used) * random.next());
    this.used = Math.min(this.used, this.limit);
    this.#pressured = this.#wanted > this.limit && random.chance(0.5);
  }

  /** @param lastId the last move that the agent has made. */
  report(lastId: number): BackendCall & { op: 'report' } {
    return {
      op: 'report',
      usedBytes: this.used,
      limitBytes: this.limit,
      wantedBytes: this.#wanted,
      programs: 1,
      pressured: this.#pressured,
      lastId,
    };
  }
}
