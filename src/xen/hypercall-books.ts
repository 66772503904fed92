/**
 * Xen's counts by hypercalls: some microseconds each, where the toolstack's commands take a tenth of a second and a process.
 * What a domain holds comes by a call that is part of Xen's stable interface; the free heap and the cap by calls that each
 * Xen answers in its own version only, so that a Xen unknown here refuses them and is never misread.
 * Source: Xen, public/memory.h, sysctl.h, domctl.h.
 */
import { EXIT, MemtideError } from '../errors.ts';
import { type Bytes, bytes, KIB } from '../units.ts';
import { HYPERCALL, type HypercallResult, Hypercalls } from './hypercalls.ts';
import type { DomainMemory, MemoryBooks } from './memory-books.ts';
import { XEN_PAGE_BYTES } from './page-size.ts';

const XENMEM_CURRENT_RESERVATION = 3;
const XENMEM_MAXIMUM_RESERVATION = 4;
const XEN_SYSCTL_PHYSINFO = 3;
const XEN_DOMCTL_MAX_MEM = 11;

/** Whose layout is known here, youngest first: Xen 4.17 to 4.20. */
const SYSCTL_VERSIONS = [0x15];
const DOMCTL_VERSIONS = [0x17, 0x16, 0x15];

/** Bytes from the start of struct xen_sysctl, and of struct xen_domctl. */
const AT = { version: 4, freePages: 56, outstandingPages: 72, domain: 8, maxKib: 16 } as const;

export class HypercallBooks implements MemoryBooks {
  readonly source = 'hypercalls';
  readonly #calls: Hypercalls;
  readonly #sysctlVersion: number;
  #domctlVersion: number | undefined;

  /** @throws MemtideError in a domain that may not ask, or on a Xen that is unknown here. */
  constructor(calls: Hypercalls = new Hypercalls()) {
    this.#calls = calls;
    const version = SYSCTL_VERSIONS.find((each) => this.#physinfo(each).ok);
    if (version === undefined) {
      const asked = this.#physinfo(SYSCTL_VERSIONS[0]!);
      calls.close();
      throw new MemtideError({
        operation: 'ask Xen for its free memory',
        expected: `a Xen whose sysctl interface is one of ${SYSCTL_VERSIONS.map((each) => `0x${each.toString(16)}`).join(', ')}`,
        actual: asked.ok ? 'an answer' : asked.errno,
        remedy: 'memtide asks the toolstack (xl) instead where it is installed',
        exitCode: EXIT.unavailable,
      });
    }
    this.#sysctlVersion = version;
  }

  async freeBytes(): Promise<Bytes> {
    this.#must('ask Xen for its free memory', this.#physinfo(this.#sysctlVersion));
    const { argument } = this.#calls;
    const pages = argument.getBigUint64(AT.freePages, true) - argument.getBigUint64(AT.outstandingPages, true);
    return bytes(Number(pages) * XEN_PAGE_BYTES);
  }

  async domain(domid: number): Promise<DomainMemory | undefined> {
    const held = this.#reservation(XENMEM_CURRENT_RESERVATION, domid);
    const cap = this.#reservation(XENMEM_MAXIMUM_RESERVATION, domid);
    return held === undefined || cap === undefined ? undefined : { heldBytes: held, capBytes: cap };
  }

  async setCap(domid: number, cap: Bytes): Promise<boolean> {
    const versions = this.#domctlVersion === undefined ? DOMCTL_VERSIONS : [this.#domctlVersion];
    let result: HypercallResult = { ok: false, errno: 'EACCES' };
    for (const version of versions) {
      result = this.#maxMem(version, domid, cap);
      if (!result.ok && result.errno === 'EACCES') continue; // another version's
      this.#domctlVersion = version;
      break;
    }
    if (!result.ok && result.errno === 'ESRCH') return false;
    this.#must(`set how far domain ${domid} may grow`, result);
    return true;
  }

  close(): void {
    this.#calls.close();
  }

  #physinfo(version: number): HypercallResult {
    this.#calls.clear();
    this.#calls.argument.setUint32(0, XEN_SYSCTL_PHYSINFO, true);
    this.#calls.argument.setUint32(AT.version, version, true);
    return this.#calls.call(HYPERCALL.sysctl);
  }

  #maxMem(version: number, domid: number, cap: Bytes): HypercallResult {
    this.#calls.clear();
    this.#calls.argument.setUint32(0, XEN_DOMCTL_MAX_MEM, true);
    this.#calls.argument.setUint32(AT.version, version, true);
    this.#calls.argument.setUint16(AT.domain, domid, true);
    this.#calls.argument.setBigUint64(AT.maxKib, BigInt(Math.floor(cap / KIB)), true);
    return this.#calls.call(HYPERCALL.domctl);
  }

  #reservation(command: number, domid: number): Bytes | undefined {
    this.#calls.clear();
    this.#calls.argument.setUint16(0, domid, true);
    const result = this.#calls.call(HYPERCALL.memory, command);
    if (!result.ok && result.errno === 'ESRCH') return undefined;
    // A domain without a cap has all ones, which does not fit.
    return bytes(this.#must(`ask Xen for the pages of domain ${domid}`, result) * XEN_PAGE_BYTES);
  }

  #must(operation: string, result: HypercallResult): number {
    if (result.ok) return result.value;
    throw new MemtideError({
      operation,
      expected: 'dom0, and a Xen that is known here',
      actual: result.errno,
      exitCode: EXIT.unavailable,
    });
  }
}
