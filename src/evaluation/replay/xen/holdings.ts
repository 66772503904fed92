/** dom0's hands on the guests of the study: Xen's counts and caps, and the targets that guests' kernels follow. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MemtideError } from '../../../errors.ts';
import { type Bytes, bytes, formatBytes, KIB, MIB } from '../../../units.ts';
import { XenDomains } from '../../../xen/domains.ts';
import { HypercallBooks } from '../../../xen/hypercall-books.ts';
import { COUNTING_SLACK, type MemoryBooks } from '../../../xen/memory-books.ts';
import { openXenstore } from '../../../xen/xenstore/open.ts';
import { Xenstore } from '../../../xen/xenstore/xenstore.ts';

const LOOK_MILLIS = 50;
/** The balloon's driver sleeps after a failure: another target wakes it. */
const NUDGE_MILLIS = 3000;
const MOVE_MILLIS = 120_000;
const SAMPLE_MILLIS = 250;

export class Holdings {
  readonly #store: Xenstore;
  readonly #books: MemoryBooks;
  readonly #domids: ReadonlyMap<string, number>;

  private constructor(store: Xenstore, books: MemoryBooks, domids: ReadonlyMap<string, number>) {
    this.#store = store;
    this.#books = books;
    this.#domids = domids;
  }

  /** @throws MemtideError anywhere but in dom0, and where a guest is not there. */
  static async open(names: readonly string[]): Promise<Holdings> {
    const store = new Xenstore({ open: () => openXenstore() });
    await store.start();
    const domains = new XenDomains(store);
    try {
      const found = new Map<string, number>();
      for (const name of names) found.set(name, await domains.domidOf(name));
      return new Holdings(store, new HypercallBooks(), found);
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#books.close();
    await this.#store.close();
  }

  freeBytes(): Promise<Bytes> {
    return this.#books.freeBytes();
  }

  /** By Xen's count. */
  async held(name: string): Promise<Bytes> {
    return (await this.#count(name)).heldBytes;
  }

  async cap(name: string): Promise<Bytes | undefined> {
    return (await this.#count(name)).capBytes;
  }

  /** How far Xen lets it grow; what Xen counts and its kernel does not comes on top. */
  async setCap(name: string, cap: number): Promise<void> {
    await this.#books.setCap(this.#domids.get(name)!, bytes(cap + COUNTING_SLACK));
  }

  /** As any toolstack does it: the guest's kernel hears of it and moves its balloon. */
  writeTarget(name: string, target: number): Promise<void> {
    const kib = Math.round(target / KIB);
    return this.#store.write(`/local/domain/${this.#domids.get(name)!}/memory/target`, String(kib));
  }

  /** Moves guests to their sizes, those that shrink first, and caps them there. */
  async resize(
    sizes: ReadonlyArray<{ readonly name: string; readonly to: Bytes }>,
    signal: AbortSignal,
  ): Promise<void> {
    const moves = await Promise.all(
      sizes.map(async ({ name, to }) => ({ name, to, by: to - (await this.held(name)) })),
    );
    for (const { name, to } of moves.sort((a, b) => a.by - b.by)) await this.#resize(name, to, signal);
  }

  async #resize(name: string, to: Bytes, signal: AbortSignal): Promise<void> {
    await this.setCap(name, Math.max(to, await this.held(name)));
    await this.writeTarget(name, to);
    const begun = performance.now();
    let [last, movedAt] = [await this.held(name), begun];
    while (Math.abs(last - to) > 2 * COUNTING_SLACK) {
      await sleep(LOOK_MILLIS, undefined, { signal });
      const held = await this.held(name);
      const now = performance.now();
      if (held !== last) movedAt = now;
      last = held;
      if (now - begun > MOVE_MILLIS) throw tooSlow(name, to, held);
      if (now - movedAt < NUDGE_MILLIS) continue;
      movedAt = now;
      await this.writeTarget(name, to + 4 * KIB);
      await sleep(LOOK_MILLIS, undefined, { signal });
      await this.writeTarget(name, to);
    }
    await this.setCap(name, to);
  }

  /** Counts what each guest holds from now on. @returns its end, which tells the means, and all: milliseconds, then MiB. */
  watch(names: readonly string[]): () => Promise<{ readonly byGuest: Map<string, number>; readonly raw: string }> {
    const begun = performance.now();
    const lines = [['ms', ...names].join(' ')];
    const sums = new Map(names.map((name) => [name, 0]));
    let samples = 0;
    let counting = Promise.resolve();
    const count = async (): Promise<void> => {
      const held = await Promise.all(names.map((name) => this.held(name)));
      for (const [at, name] of names.entries()) sums.set(name, sums.get(name)! + held[at]!);
      lines.push([Math.round(performance.now() - begun), ...held.map((each) => (each / MIB).toFixed(1))].join(' '));
      samples++;
    };
    const timer = setInterval(() => {
      counting = counting.then(count);
      counting.catch(() => {}); // told at the end
    }, SAMPLE_MILLIS);
    return async () => {
      clearInterval(timer);
      await counting;
      const byGuest = new Map([...sums].map(([name, sum]) => [name, sum / Math.max(1, samples)]));
      return { byGuest, raw: `${lines.join('\n')}\n` };
    };
  }

  async #count(name: string): Promise<{ heldBytes: Bytes; capBytes?: Bytes }> {
    const counted = await this.#books.domain(this.#domids.get(name)!);
    if (counted) return counted;
    throw new MemtideError({
      operation: 'ask Xen what a guest holds',
      object: name,
      actual: 'no such domain any more',
    });
  }
}

const tooSlow = (name: string, to: number, held: number): MemtideError =>
  new MemtideError({
    operation: 'size a guest for the study',
    object: name,
    expected: formatBytes(to),
    actual: `${formatBytes(held)} after ${MOVE_MILLIS / 1000} s`,
    remedy: 'a guest that is short itself gives nothing: end what runs there',
  });
