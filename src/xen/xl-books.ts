/**
 * Xen's counts by its toolstack: for a Xen whose own interface is unknown here. Whole MiB, and a process for every question.
 * `xl` tells no cap; the one that was set here is remembered.
 */
import { EXIT, errorMessage, MemtideError } from '../errors.ts';
import { type Bytes, bytes, KIB, MIB, mebibytes } from '../units.ts';
import type { DomainMemory, MemoryBooks } from './memory-books.ts';
import { runXl, type XlOutcome } from './xl.ts';

export interface XlBooksOptions {
  /** The toolstack refuses a cap below the target that xenstore knows of, which a guest that moves itself leaves behind. */
  readonly writeTarget: (domid: number, kib: number) => Promise<void>;
  readonly xl?: (args: readonly string[]) => Promise<XlOutcome>;
}

export class XlBooks implements MemoryBooks {
  readonly source = 'xl';
  readonly #writeTarget: XlBooksOptions['writeTarget'];
  readonly #xl: (args: readonly string[]) => Promise<XlOutcome>;
  readonly #caps = new Map<number, Bytes>();

  constructor({ writeTarget, xl = runXl }: XlBooksOptions) {
    this.#writeTarget = writeTarget;
    this.#xl = xl;
  }

  async freeBytes(): Promise<Bytes> {
    const text = await this.#must('ask Xen for its free memory', ['info', 'free_memory']);
    return mebibytes(numberIn('ask Xen for its free memory', text));
  }

  async domain(domid: number): Promise<DomainMemory | undefined> {
    const outcome = await this.#xl(['list', String(domid)]);
    if (outcome.code !== 0) {
      this.#caps.delete(domid);
      return undefined;
    }
    const row = outcome.output.trim().split('\n').at(-1) ?? '';
    // The name may have spaces: counted from the right, Mem is the fourth of ID Mem VCPUs State Time(s).
    const held = row.trim().split(/\s+/).at(-4);
    const cap = this.#caps.get(domid);
    return {
      heldBytes: mebibytes(numberIn(`read the memory of domain ${domid}`, held ?? row)),
      ...(cap === undefined ? {} : { capBytes: cap }),
    };
  }

  async setCap(domid: number, cap: Bytes, goal?: Bytes): Promise<boolean> {
    const known = await this.domain(domid);
    if (known === undefined) return false;
    const mib = Math.floor(cap / MIB);
    const args = ['mem-max', String(domid), String(mib)];
    if ((await this.#ask(args)).code !== 0) {
      // Only then: the guest's kernel goes where that target is, in place of where it was going.
      await this.#writeTarget(domid, (Math.min(goal ?? known.heldBytes, mib * MIB) / KIB) | 0);
      await this.#must(`set how far domain ${domid} may grow`, args);
    }
    this.#caps.set(domid, bytes(mib * MIB));
    return true;
  }

  close(): void {}

  #ask(args: readonly string[]): Promise<XlOutcome> {
    return this.#xl(args).catch((error: unknown) => ({ code: -1, output: errorMessage(error) }));
  }

  async #must(operation: string, args: readonly string[]): Promise<string> {
    const { code, output } = await this.#ask(args);
    if (code === 0) return output;
    throw new MemtideError({
      operation,
      object: ['xl', ...args].join(' '),
      expected: 'exit code 0',
      actual: output.trim() || `exit code ${code}`,
      remedy: 'install Xen’s tools, and run as root in dom0',
      exitCode: EXIT.unavailable,
    });
  }
}

function numberIn(operation: string, text: string): number {
  const trimmed = text.trim();
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed);
  throw new MemtideError({ operation, object: 'xl', expected: 'a number of MiB', actual: trimmed.slice(0, 80) });
}
