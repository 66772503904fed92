import fs from 'node:fs';
import { openFifo } from '../control/fifo-bell.ts';
import { SESSION, SESSION_WORDS, SESSIONS, WAITS_FUTEX } from '../control/layout.ts';
import { futexWake, write } from '../native/libc.ts';
import { mapPrivate } from '../native/mapping.ts';
import type { DomainFiles } from './run-files.ts';

/** Wakes applications: a blocked thread by its futex word, an event loop by one byte in the session's pipe. */
export class SessionWaker {
  readonly #words: Int32Array;
  readonly #address: number;
  readonly #files: DomainFiles;
  readonly #fds: number[] = [];
  readonly #generations: number[] = [];
  readonly #page = mapPrivate(4096, { what: 'wake page' });

  constructor(words: Int32Array, address: number, files: DomainFiles) {
    this.#words = words;
    this.#address = address;
    this.#files = files;
  }

  wake(session: number): void {
    const at = SESSIONS + session * SESSION_WORDS;
    if (Atomics.load(this.#words, at + SESSION.waits) === WAITS_FUTEX) {
      futexWake(this.#address + (at + SESSION.responseSeq) * 4, 1);
    }
    // The pipe as well: whoever is not blocked learns of reclaims there. A full pipe will be read anyway.
    const fd = this.#pipe(session, Atomics.load(this.#words, at + SESSION.generation));
    if (fd >= 0) write(fd, this.#page.address, 1);
  }

  #pipe(session: number, generation: number): number {
    if (this.#generations[session] === generation) return this.#fds[session] ?? -1;
    const old = this.#fds[session];
    if (old !== undefined && old >= 0) fs.closeSync(old);
    this.#generations[session] = generation;
    try {
      this.#fds[session] = openFifo(this.#files.wake(session));
    } catch {
      this.#fds[session] = -1; // the session has ended in the meantime; its successor has another generation
    }
    return this.#fds[session]!;
  }
}
