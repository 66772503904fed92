/** Messages come twice: live and from a spool, or because a broker was not sure. Their ids tell. */
import { NumberSet } from '../spool/number-set.ts';
import type { DriveMessage } from './format.ts';

export class KnownMessages {
  readonly #known = new Map<string, NumberSet>();

  /** Whether a message of this id was there before; notes it. One without an id is always new. */
  isAgain({ payload: { spool, boot, spool_seq: seq } }: Pick<DriveMessage, 'payload'>): boolean {
    if (typeof spool !== 'string' || typeof seq !== 'number') return false;
    const key = `${spool} ${String(boot)}`;
    const numbers = this.#known.get(key) ?? new NumberSet();
    this.#known.set(key, numbers);
    if (numbers.has(seq)) return true;
    numbers.add(seq);
    return false;
  }
}
