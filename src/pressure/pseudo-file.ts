import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { errorCode, errorMessage } from '../errors.ts';

/**
 * A file of /proc or of a cgroup that is read again and again: the descriptor stays open, the bytes land in one buffer
 * that is reused, and figures are picked out of the bytes without making strings. About 2 to 30 µs a read.
 */

/** Labels are searched as bytes; make them once, at module level. */
export type Label = Buffer;
export const label = (text: string): Label => Buffer.from(text, 'latin1');

const NEWLINE = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/**
 * The kernel hands out its sequence files at most one page at a time, and fills that page up to one line. A read that
 * is shorter than half the smallest page is therefore the last one; this saves a system call for each small file.
 */
const SURELY_THE_END_BYTES = 2048;

export class PseudoFile {
  readonly path: string;
  #buffer: Buffer;
  #length = 0;
  #descriptor: number | undefined;
  #cannotOpen: string | undefined;

  /** @param buffer may be shared between files that are never looked at in turns. It is replaced when too small. */
  constructor(path: string, buffer: Buffer = Buffer.allocUnsafe(8192)) {
    this.path = path;
    this.#buffer = buffer;
  }

  /**
   * Reads the whole file again, from position 0. @returns why it could not be read, or `undefined` if all is well.
   * A file that cannot be opened is not tried again: the answer of a kernel without PSI does not change.
   */
  refresh(): string | undefined {
    this.#length = 0;
    if (this.#cannotOpen !== undefined) return this.#cannotOpen;
    try {
      this.#descriptor ??= openSync(this.path, 'r');
    } catch (error) {
      this.#cannotOpen = whyNot(error);
      return this.#cannotOpen;
    }
    try {
      this.#length = this.#readAll(this.#descriptor);
      return undefined;
    } catch (error) {
      return whyNot(error);
    }
  }

  #readAll(descriptor: number): number {
    let length = 0;
    for (;;) {
      if (length === this.#buffer.length) {
        const larger = Buffer.allocUnsafe(2 * length);
        this.#buffer.copy(larger, 0, 0, length);
        this.#buffer = larger;
      }
      const count = readSync(descriptor, this.#buffer, length, this.#buffer.length - length, length);
      length += count;
      if (count < SURELY_THE_END_BYTES && length < this.#buffer.length) return length;
    }
  }

  /** Index behind `name` where a line starts with it, or -1. */
  lineStartingWith(name: Label): number {
    for (let from = 0; ; ) {
      const at = this.find(name, from);
      if (at < 0) return -1;
      if (at === 0 || this.#buffer[at - 1] === NEWLINE) return at + name.length;
      from = at + 1;
    }
  }

  /** Index of the first `name` at or behind `from`, or -1. */
  find(name: Label, from: number): number {
    const at = this.#buffer.indexOf(name, from);
    return at < 0 || at + name.length > this.#length ? -1 : at;
  }

  /** Whether a line ends between the two indices. */
  endsLine(from: number, to: number): boolean {
    const end = this.#buffer.indexOf(NEWLINE, from);
    return end >= 0 && end < to;
  }

  /** The unsigned decimal number at `at`, blanks before it skipped; `undefined` where there is none. */
  numberAt(at: number): number | undefined {
    const bytes = this.#buffer;
    const end = this.#length;
    let index = at;
    while (index < end && (bytes[index] === SPACE || bytes[index] === TAB)) index++;
    const first = index;
    let value = 0;
    for (; index < end && isDigit(bytes[index]!); index++) value = value * 10 + (bytes[index]! - ZERO);
    if (index === first) return undefined;
    if (bytes[index] !== DOT || index >= end) return value;
    let scale = 0.1;
    for (index++; index < end && isDigit(bytes[index]!); index++, scale /= 10) value += (bytes[index]! - ZERO) * scale;
    return value;
  }

  /** The number behind `name` on the line that starts with it. */
  labelled(name: Label): number | undefined {
    const at = this.lineStartingWith(name);
    return at < 0 ? undefined : this.numberAt(at);
  }

  /** What was read, as text: for messages. */
  text(): string {
    return this.#buffer.toString('latin1', 0, this.#length);
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#cannotOpen ??= 'closed';
  }
}

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE;

function whyNot(error: unknown): string {
  switch (errorCode(error)) {
    case 'ENOENT':
      return 'no such file';
    case 'EACCES':
    case 'EPERM':
      return 'no permission to read it';
    case 'ESRCH':
      return 'the process has ended';
    case 'ENODEV':
      return 'the cgroup has been removed';
    case 'ENOTSUP':
    case 'EOPNOTSUPP':
      return 'switched off in this kernel';
    default:
      return errorMessage(error);
  }
}

/** A small file read once, trimmed; `undefined` where it cannot be read or is empty. For facts that do not change. */
export function readOnce(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8').replaceAll('\0', '').trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined; // Absent on this machine; the caller says what it does without.
  }
}
