import { BorrowRefused, type Connection } from '../../client/connection.ts';
import type { Clock } from '../../clock.ts';
import type { MemorySource, Taken } from './player.ts';

/** What a replay needs of its connection to the domain's agent. */
export type Lender = Pick<Connection, 'tryBorrow' | 'borrow' | 'report' | 'reportRefused'>;

/** Never 0: lent memory comes zeroed, and what is written must differ. */
const TOUCH = 0x5a;

/** Memory borrowed through memtide: what is there is taken at once, the rest is asked of other domains. */
export class LentMemory implements MemorySource {
  readonly #lender: Lender;
  readonly #clock: Clock;
  readonly #deadlineMillis: number;

  /** @param deadlineMillis how long the application would wait for other domains. */
  constructor(lender: Lender, clock: Clock, deadlineMillis: number) {
    this.#lender = lender;
    this.#clock = clock;
    this.#deadlineMillis = deadlineMillis;
  }

  async take(byteLength: number): Promise<Taken> {
    const atMicros = this.#clock.monotonicMicros();
    const atOnce = this.#lender.tryBorrow(byteLength);
    try {
      const lease = atOnce ?? (await this.#lender.borrow(byteLength, { deadline: this.#deadlineMillis }));
      lease.fill(TOUCH);
      this.#lender.report(lease, atMicros);
      return {
        ok: true,
        totalMicros: lease.totalMicros + lease.touchMicros!,
        waitedMicros: atOnce ? 0 : lease.totalMicros,
        release: () => lease.release(),
      };
    } catch (error) {
      if (!(error instanceof BorrowRefused)) throw error;
      const waitedMicros = this.#clock.monotonicMicros() - atMicros;
      this.#lender.reportRefused(byteLength, atMicros, error.refusal, waitedMicros);
      return { ok: false, refusal: error.refusal, waitedMicros };
    }
  }
}
