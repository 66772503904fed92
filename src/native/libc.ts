import koffi from 'koffi';
import { MemtideError } from '../errors.ts';

/**
 * The C library, through koffi. Addresses are plain numbers: Linux user addresses on 64-bit machines stay below 2^48,
 * well inside a double, and a number argument costs no allocation where a BigInt would.
 */
if (process.arch !== 'x64' && process.arch !== 'arm64') {
  throw new MemtideError({
    operation: 'bind the C library',
    object: process.arch,
    expected: 'arm64 or x64',
    remedy: 'run memtide on a 64-bit kernel and a 64-bit Node',
  });
}

const libc = koffi.load(null);

export const mmap = libc.func('intptr_t mmap(uintptr_t, size_t, int, int, int, long)') as (
  address: number,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
) => number;
export const munmap = libc.func('int munmap(uintptr_t, size_t)') as (address: number, length: number) => number;
export const madvise = libc.func('int madvise(uintptr_t, size_t, int)') as (
  address: number,
  length: number,
  advice: number,
) => number;
export const mlock = libc.func('int mlock(uintptr_t, size_t)') as (address: number, length: number) => number;
/** Fills memory. The touch of every measurement, and the scrub of every chunk. */
export const memset = libc.func('void memset(uintptr_t, int, size_t)') as (
  address: number,
  byte: number,
  length: number,
) => void;
export const mincore = libc.func('int mincore(uintptr_t, size_t, _Out_ uint8_t*)') as (
  address: number,
  length: number,
  residency: Uint8Array,
) => number;
export const fallocate = libc.func('int fallocate(int, int, long, long)') as (
  fd: number,
  mode: number,
  offset: number,
  length: number,
) => number;
export const malloc = libc.func('uintptr_t malloc(size_t)') as (length: number) => number;
export const free = libc.func('void free(uintptr_t)') as (address: number) => void;
export const mallopt = libc.func('int mallopt(int, int)') as (parameter: number, value: number) => number;
/** Gives free memory at the top of the heap back to the system. */
export const mallocTrim = libc.func('int malloc_trim(size_t)') as (pad: number) => number;
export const write = libc.func('long write(int, uintptr_t, size_t)') as (
  fd: number,
  address: number,
  length: number,
) => number;
export const read = libc.func('long read(int, uintptr_t, size_t)') as (
  fd: number,
  address: number,
  length: number,
) => number;
export const poll = libc.func('int poll(uintptr_t, unsigned long, int)') as (
  address: number,
  count: number,
  timeoutMillis: number,
) => number;
/** A counter that `poll` can wait on: each write adds, each read takes all. Both are of 8 bytes. */
export const eventfd = libc.func('int eventfd(unsigned int, int)') as (initial: number, flags: number) => number;
export const clockGettime = libc.func('int clock_gettime(int, uintptr_t)') as (
  clock: number,
  address: number,
) => number;
export const mkfifo = libc.func('int mkfifo(const char *, uint32_t)') as (path: string, mode: number) => number;
export const setpriority = libc.func('int setpriority(int, uint32_t, int)') as (
  which: number,
  who: number,
  nice: number,
) => number;
/** Of these, a thread id of 0 is the calling thread. @param param address of a struct sched_param: one int, the priority. */
export const schedSetscheduler = libc.func('int sched_setscheduler(int, int, uintptr_t)') as (
  thread: number,
  policy: number,
  param: number,
) => number;
export const schedGetscheduler = libc.func('int sched_getscheduler(int)') as (thread: number) => number;
export const schedGetparam = libc.func('int sched_getparam(int, uintptr_t)') as (
  thread: number,
  param: number,
) => number;
/** @param mask address of `length` bytes, one bit a CPU. */
export const schedSetaffinity = libc.func('int sched_setaffinity(int, size_t, uintptr_t)') as (
  thread: number,
  length: number,
  mask: number,
) => number;
export const schedGetaffinity = libc.func('int sched_getaffinity(int, size_t, uintptr_t)') as (
  thread: number,
  length: number,
  mask: number,
) => number;
export const gettid = libc.func('int gettid()') as () => number;
/** Requests without a sign: the C library takes an unsigned long. */
export const ioctl = libc.func('int ioctl(int, unsigned long, uintptr_t)') as (
  fd: number,
  request: number,
  address: number,
) => number;
export const fcntlLock = libc.func('int fcntl(int, int, uintptr_t)') as (
  fd: number,
  command: number,
  address: number,
) => number;

const syscall6 = libc.func('long syscall(long, uintptr_t, long, long, uintptr_t, uintptr_t, long)') as (
  call: number,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
) => number;

// Source: the kernel's unistd tables (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
const SYS_FUTEX = process.arch === 'x64' ? 202 : 98;
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;

/**
 * FUTEX_WAIT without FUTEX_PRIVATE_FLAG: the word may be shared between processes.
 * @param timeout address of a struct timespec (relative), or 0 to wait without end.
 * @returns 0 when woken, -1 with errno EAGAIN (word had changed), ETIMEDOUT or EINTR.
 */
export const futexWait = (address: number, expected: number, timeout: number): number =>
  syscall6(SYS_FUTEX, address, FUTEX_WAIT, expected, timeout, 0, 0);
/** @returns the number of threads woken. */
export const futexWake = (address: number, count: number): number =>
  syscall6(SYS_FUTEX, address, FUTEX_WAKE, count, 0, 0, 0);

const SYS_GETPRIORITY = process.arch === 'x64' ? 140 : 141;
/** Niceness of a thread. The bare system call answers with 20 - nice; the wrapper's -1 could be a failure as well. */
export const niceOf = (thread: number): number => 20 - syscall6(SYS_GETPRIORITY, PRIO_PROCESS, thread, 0, 0, 0, 0);

/** The errno of the last call on this thread. */
export const errno = (): number => koffi.errno();
/** `ENOSPC` for 28. */
export const errnoName = (code: number = koffi.errno()): string =>
  Object.entries(koffi.os.errno).find(([, value]) => value === code)?.[0] ?? `errno ${code}`;
export const ERRNO = koffi.os.errno as Readonly<Record<string, number>>;

/** A typed view of `length` bytes at `address`. The memory must stay mapped for as long as the view lives. */
export function viewOf(address: number, length: number): ArrayBuffer {
  return koffi.view(address, length) as ArrayBuffer;
}

// Constants of the Linux ABI, the same on x86_64 and arm64.
export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_READ_WRITE = 3;
export const MAP_SHARED = 1;
export const MAP_PRIVATE = 2;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;
export const MAP_POPULATE = 0x8000;
export const MADV_HUGEPAGE = 14;
export const MADV_NOHUGEPAGE = 15;
export const FALLOC_FL_KEEP_SIZE = 1;
export const FALLOC_FL_PUNCH_HOLE = 2;
export const POLLIN = 1;
export const POLLOUT = 4;
export const EFD_CLOEXEC_NONBLOCK = 0o2004000;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const PRIO_PROCESS = 0;
export const SCHED_OTHER = 0;
export const SCHED_FIFO = 1;
/** Or-ed to the policy: what the thread starts is scheduled as usual. */
export const SCHED_RESET_ON_FORK = 0x4000_0000;
/** Parameter of mallopt(3): requests of this size and above get a mapping of their own. */
export const M_MMAP_THRESHOLD = -3;
export const M_TRIM_THRESHOLD = -1;
export const M_TOP_PAD = -2;

// The same on every architecture since Linux 5.3 and 5.6.
const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;

/** @returns a descriptor of the process, or -1. */
export const pidfdOpen = (pid: number): number => syscall6(SYS_PIDFD_OPEN, pid, 0, 0, 0, 0, 0);
/** A descriptor of another process, of the same user and open to its debugging, as one's own. @returns it, or -1. */
export const pidfdGetfd = (pidfd: number, fd: number): number => syscall6(SYS_PIDFD_GETFD, pidfd, fd, 0, 0, 0, 0);
