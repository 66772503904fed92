/**
 * Two limits of processes, by prlimit(2).
 *
 * The data-size limit of another process: RLIMIT_DATA. Linux counts against it every private writable
 * mapping of the process and its brk heap (VmData), not its stack and no shared mapping, and refuses
 * what would exceed the soft limit with ENOMEM (mm/mmap.c, may_expand_vm). Lowering the limit below what is mapped
 * takes nothing away; it refuses the next mapping.
 *
 * The right to do it: CAP_SYS_RESOURCE, or the same real, effective and saved user and group on both sides.
 */
import koffi from 'koffi';
import { errnoName } from './libc.ts';

const RLIMIT_DATA = 2;
const RLIMIT_RTTIME = 15;
const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

// struct rlimit on 64-bit Linux: u64 soft, u64 hard.
const prlimit = koffi.load(null).func('int prlimit(int, int, const uint64_t*, uint64_t*)') as (
  pid: number,
  resource: number,
  wanted: BigUint64Array | null,
  before: BigUint64Array | null,
) => number;

const wanted = new BigUint64Array(2);
const before = new BigUint64Array(2);

/** In bytes; `Infinity` for unlimited. */
export interface DataLimit {
  readonly soft: number;
  readonly hard: number;
}

/** `gone`: no such process. `denied`: it belongs to somebody else, or the hard limit is lower. */
export type LimitFailure = { readonly ok: false; readonly why: 'gone' | 'denied' | 'failed'; readonly errno: string };

export function readDataLimit(pid: number): ({ readonly ok: true } & DataLimit) | LimitFailure {
  if (prlimit(pid, RLIMIT_DATA, null, before) !== 0) return failure();
  return { ok: true, soft: limitOf(before[0]!), hard: limitOf(before[1]!) };
}

/**
 * Sets the soft limit and leaves the hard one, so that the soft one can be raised again.
 * @param soft bytes, `Infinity` to lift it; above the hard limit it is set to that.
 * @returns what is in force afterwards.
 */
export function setSoftDataLimit(pid: number, soft: number): ({ readonly ok: true } & DataLimit) | LimitFailure {
  if (prlimit(pid, RLIMIT_DATA, null, before) !== 0) return failure();
  const hard = before[1]!;
  const limit = soft === Number.POSITIVE_INFINITY ? RLIM_INFINITY : BigInt(Math.floor(soft));
  wanted[0] = limit < hard ? limit : hard;
  wanted[1] = hard;
  if (prlimit(pid, RLIMIT_DATA, wanted, null) !== 0) return failure();
  return { ok: true, soft: limitOf(wanted[0]), hard: limitOf(hard) };
}

/**
 * Sets the soft RLIMIT_RTTIME of this process: a thread of it that runs in real time for this long without sleeping ends
 * the process with SIGXCPU. @param micros `Infinity` for none. @returns what was in force before, or the errno's name.
 */
export function setRealtimeLimit(micros: number): { readonly before: number } | { readonly errno: string } {
  if (prlimit(0, RLIMIT_RTTIME, null, before) !== 0) return { errno: errnoName() };
  const [soft, hard] = [before[0]!, before[1]!];
  const limit = micros === Number.POSITIVE_INFINITY ? RLIM_INFINITY : BigInt(micros);
  wanted[0] = limit < hard ? limit : hard;
  wanted[1] = hard;
  return prlimit(0, RLIMIT_RTTIME, wanted, null) === 0 ? { before: limitOf(soft) } : { errno: errnoName() };
}

const limitOf = (limit: bigint): number => (limit === RLIM_INFINITY ? Number.POSITIVE_INFINITY : Number(limit));

function failure(): LimitFailure {
  const errno = errnoName();
  return { ok: false, why: errno === 'ESRCH' ? 'gone' : errno === 'EPERM' ? 'denied' : 'failed', errno };
}
