import { MemtideError } from '../errors.ts';
import type { Refusal } from '../platforms/contracts.ts';
import { formatBytes } from '../units.ts';

/** A request that could not be met. `refusal` says why. */
export class BorrowRefused extends MemtideError {
  readonly refusal: Refusal;

  constructor(byteLength: number, refusal: Refusal, waitedMillis: number) {
    super({
      operation: `borrow ${formatBytes(byteLength)}`,
      actual: `${REFUSAL_TEXT[refusal] ?? refusal} (waited ${waitedMillis.toFixed(1)} ms)`,
      remedy: REFUSAL_REMEDY[refusal] ?? 'look at memtide status',
    });
    this.refusal = refusal;
  }
}

const REFUSAL_TEXT: Partial<Record<Refusal, string>> = {
  'pool-empty': 'nobody has memory to give',
  ceiling: 'the domain would pass its ceiling',
  deadline: 'the donors did not let go in time',
  'peer-gone': 'the agent does not answer',
};
const REFUSAL_REMEDY: Partial<Record<Refusal, string>> = {
  'pool-empty': 'ask for less, release leases, or raise total_mib',
  ceiling: 'raise ceiling_mib of the domain',
  deadline: 'ask with a longer deadline, or look for the stuck donor in memtide status',
  'peer-gone': 'start the agent of the domain: memtide agent --domain NAME',
};
