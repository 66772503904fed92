import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { SocketStream } from '../../src/xen/xenstore/socket-stream.ts';
import { Xenstore, type XenstoreEvents } from '../../src/xen/xenstore/xenstore.ts';
import { FakeXenstored } from './xenstored.ts';

/** A xenstored for one test, and its clients in dom0 and the guests. Everything ends with the test. */
export async function storePlace(test: TestContext) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-xenstored-'));
  const daemon = new FakeXenstored();
  const socketOf = (domid: number): string => path.join(folder, String(domid));
  await daemon.listen(socketOf(0), 0);
  const stores: Xenstore[] = [];
  const sides: Array<{ stop(): Promise<void> }> = [];
  test.after(async () => {
    for (const side of sides) await side.stop();
    for (const store of stores) await store.close();
    await daemon.stop();
    fs.rmSync(folder, { recursive: true });
  });

  return {
    daemon,
    socketOf,
    /** Stopped with the test, before its connections are. */
    stopAtEnd: (side: { stop(): Promise<void> }): void => void sides.push(side),
    async guest(domid: number, name: string): Promise<void> {
      daemon.introduce(domid, name);
      await daemon.listen(socketOf(domid), domid);
    },
    /** A client in `domid`, connected. */
    async client(domid: number, options: { events?: XenstoreEvents; replyMillis?: number } = {}): Promise<Xenstore> {
      const store = new Xenstore({
        open: () => SocketStream.open(socketOf(domid)),
        reconnectMillis: { first: 1, largest: 8 },
        ...options,
      });
      stores.push(store);
      await store.start();
      return store;
    },
  };
}

/** Collects what is called, and waits for it. */
export class Calls<Value> {
  readonly seen: Value[] = [];
  #wake: (() => void) | undefined;

  readonly add = (value: Value): void => {
    this.seen.push(value);
    this.#wake?.();
  };

  /** Resolves once something collected satisfies `wanted`. */
  async until(wanted: (value: Value) => boolean): Promise<Value> {
    for (;;) {
      const found = this.seen.find(wanted);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async count(count: number): Promise<readonly Value[]> {
    while (this.seen.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.seen;
  }
}
