import { GIVEN } from '../control/layout.ts';
import type { Refusal } from '../platforms/contracts.ts';

/** What an application is told of a request that could not be met: by its own half of memtide, or over the socket. */

/** @param status one of `GIVEN` that is not `ok`. */
export const refusalOf = (status: number): Refusal =>
  status === GIVEN.ceiling ? 'ceiling' : status === GIVEN.deadline ? 'deadline' : 'pool-empty';

const REFUSAL_TEXT: Partial<Record<Refusal, string>> = {
  'pool-empty': 'nobody has memory to give',
  ceiling: 'the domain would pass its ceiling',
  deadline: 'the donors did not let go in time',
  fragmented: 'there is enough memory, and no stretch of it that is long enough',
  'peer-gone': 'the agent does not answer',
};
const REFUSAL_REMEDY: Partial<Record<Refusal, string>> = {
  'pool-empty': 'ask for less, release leases, or raise total_mib',
  ceiling: 'raise ceiling_mib of the domain',
  deadline: 'ask with a longer deadline, or look for the stuck donor in memtide status',
  fragmented: 'take several extents (without "contiguous"), or ask for less',
  'peer-gone': 'start the agent of the domain: memtide agent --domain NAME',
};

export const refusalText = (refusal: Refusal): string => REFUSAL_TEXT[refusal] ?? refusal;
export const refusalRemedy = (refusal: Refusal): string => REFUSAL_REMEDY[refusal] ?? 'look at memtide status';
