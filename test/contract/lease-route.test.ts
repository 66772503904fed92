/**
 * What every lease route must do, from both of its ends: memory is zeroed when it is claimed, has one holder, and comes
 * to the next one scrubbed.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { ControlFile } from '../../src/control/contracts.ts';
import { controlFileInMemory, createControlFile, openControlFile } from '../../src/control/control-file.ts';
import { STATE, wordOf } from '../../src/control/layout.ts';
import { Ledger } from '../../src/control/ledger.ts';
import { viewOf } from '../../src/native/libc.ts';
import { type Arena, createArena } from '../../src/platforms/arena/arena-file.ts';
import { ChunkKeeper } from '../../src/platforms/arena/chunk-keeper.ts';
import { ChunkSpace } from '../../src/platforms/arena/chunk-space.ts';
import { extentsOf } from '../../src/platforms/arena/extents.ts';
import type { Claimed, LeaseHolder, LeaseKeeper } from '../../src/platforms/contracts.ts';

const CHUNKS = 8;
const GEOMETRY = { chunkCount: CHUNKS, chunkShift: 18, blockShift: 16 };
const CHUNK = 2 ** 18;
const BLOCK = 2 ** 16;

/** A route and the lender at its other end, who has lent all chunks to the domain. */
interface RouteUnderTest {
  /** @param scrubs whether it may zero memory itself. */
  holder(session: number, scrubs?: boolean): LeaseHolder;
  readonly keeper: LeaseKeeper;
  /** Bytes of the arena. */
  readonly memory: Uint8Array;
  /** Chunks that the domain has handed back to the lender since the last call. */
  takeReturned(): number[];
  promise(chunk: number, session: number): void;
}

function overLedger(
  file: ControlFile,
  memory: Uint8Array,
  scrub: (offset: number, length: number) => void,
): RouteUnderTest {
  const ledger = new Ledger(file, GEOMETRY);
  for (let chunk = 0; chunk < CHUNKS; chunk++) ledger.set(chunk, wordOf(STATE.offered));
  return {
    holder: (session, scrubs = true) =>
      new ChunkSpace(file, GEOMETRY, session, undefined, scrubs ? { scrub } : undefined),
    keeper: new ChunkKeeper(file, GEOMETRY, { scrub }),
    memory,
    takeReturned() {
      const returned = [];
      for (let chunk = 0; chunk < CHUNKS; chunk++) {
        if (ledger.move(chunk, wordOf(STATE.returning), wordOf(STATE.none))) returned.push(chunk);
      }
      return returned;
    },
    promise: (chunk, session) => ledger.set(chunk, wordOf(STATE.promised, session)),
  };
}

let dir: string;
const arenas: Arena[] = [];
before(() => {
  dir = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'memtide-route-'));
});
after(() => {
  for (const arena of arenas) arena.remove();
  fs.rmSync(dir, { recursive: true, force: true });
});

const ROUTES: Record<string, () => Promise<RouteUnderTest>> = {
  'arena on tmpfs, mapped control file': async () => {
    const directory = fs.mkdtempSync(path.join(dir, 'arena-'));
    const arena = await createArena({ directory, byteLength: CHUNKS * CHUNK, hugePages: 'never', keep: '' });
    arenas.push(arena);
    assert.ok(arena.populate(0, CHUNKS * CHUNK));
    const control = path.join(directory, 'control');
    createControlFile(control, GEOMETRY, 1, 1);
    const memory = new Uint8Array(viewOf(arena.mapping.address, arena.mapping.byteLength));
    return overLedger(openControlFile(control).file, memory, (offset, length) => arena.scrub(offset, length));
  },
  'memory of one process': async () => {
    const memory = new Uint8Array(CHUNKS * CHUNK);
    return overLedger(controlFileInMemory(GEOMETRY), memory, (from, length) => memory.fill(0, from, from + length));
  },
};

/** The blocks of a claim, by number. */
function blocksOf(claimed: Claimed): number[] {
  return extentsOf(claimed, CHUNK, BLOCK).flatMap(({ offset, length }) =>
    Array.from({ length: length / BLOCK }, (_, at) => offset / BLOCK + at),
  );
}

const blockOf = ({ memory }: RouteUnderTest, block: number): Uint8Array =>
  memory.subarray(block * BLOCK, (block + 1) * BLOCK);
const isZero = (bytes: Uint8Array): boolean => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).equals(ZEROES);
const ZEROES = Buffer.alloc(BLOCK);

function fill(route: RouteUnderTest, claimed: Claimed, byte: number): void {
  for (const block of blocksOf(claimed)) blockOf(route, block).fill(byte);
}

function scrubAll({ keeper }: RouteUnderTest): void {
  while (keeper.scrub(BLOCK) > 0);
}

for (const [name, make] of Object.entries(ROUTES)) {
  describe(`lease route: ${name}`, () => {
    test('a claim is zeroed, large enough, and tells where it came from', async () => {
      const route = await make();
      for (const bytes of [1, BLOCK, BLOCK + 1, CHUNK, CHUNK + BLOCK, 2 * CHUNK]) {
        const holder = route.holder(1);
        const claimed = holder.claim(bytes, false)!;
        const blocks = blocksOf(claimed);
        assert.equal(blocks.length, Math.ceil(bytes / BLOCK));
        assert.ok(blocks.every((block) => isZero(blockOf(route, block))));
        assert.ok(claimed.reserveBytes + claimed.poolBytes + claimed.peerBytes >= bytes);
        fill(route, claimed, 1);
        holder.release(claimed);
        scrubAll(route);
      }
    });

    test('what does not fit is refused whole, and takes nothing', async () => {
      const route = await make();
      const holder = route.holder(1);
      assert.equal(holder.claim((CHUNKS + 1) * CHUNK, false), undefined);
      assert.ok(holder.claim(CHUNKS * CHUNK, false));
      assert.equal(holder.claim(1, false), undefined);
    });

    test('two sessions never hold the same block', async () => {
      const route = await make();
      const seen = new Set<number>();
      const holders = [1, 2, 3].map((session) => route.holder(session));
      for (let turn = 0; ; turn++) {
        const claimed = holders[turn % 3]!.claim(turn % 2 === 0 ? 3 * BLOCK : CHUNK, false);
        if (!claimed) break;
        for (const block of blocksOf(claimed)) {
          assert.equal(seen.has(block), false);
          seen.add(block);
        }
      }
      assert.ok(seen.size > CHUNKS);
    });

    test('what was released comes to nobody before it is scrubbed', async () => {
      const route = await make();
      const [first, second] = [route.holder(1), route.holder(2, false)];
      const all = first.claim(CHUNKS * CHUNK, false)!;
      fill(route, all, 0xee);
      first.release(all);
      assert.equal(second.claim(1, false), undefined);
      scrubAll(route);
      const again = second.claim(CHUNKS * CHUNK, false)!;
      assert.ok(blocksOf(again).every((block) => isZero(blockOf(route, block))));
    });

    test('scrubbing keeps to its budget, goes on where it stopped, and says when it has done', async () => {
      const route = await make();
      const holder = route.holder(1);
      const claimed = holder.claim(2 * CHUNK, false)!;
      fill(route, claimed, 7);
      holder.release(claimed);
      let total = 0;
      for (;;) {
        const done = route.keeper.scrub(3 * BLOCK);
        assert.ok(done <= 3 * BLOCK);
        if (done === 0) break;
        total += done;
      }
      assert.equal(total, 2 * CHUNK);
      assert.equal(route.keeper.scrub(CHUNK), 0);
    });

    test('a promise is claimed by the session it was made to, and by no other', async () => {
      const route = await make();
      route.holder(1).claim(CHUNKS * CHUNK, false);
      const mine = route.holder(2);
      for (let chunk = 0; chunk < 2; chunk++) route.promise(chunk, 2);
      assert.equal(route.holder(3).claim(CHUNK, false), undefined);
      const claimed = mine.claim(2 * CHUNK, false)!;
      assert.equal(claimed.peerBytes, 2 * CHUNK);
    });

    test('revoking takes what nobody uses, released chunks first, and never more than asked', async () => {
      const route = await make();
      const holder = route.holder(1);
      const kept = holder.claim(3 * CHUNK, false)!;
      const given = holder.claim(5 * CHUNK, false)!;
      fill(route, kept, 9);
      holder.release(given);
      assert.equal(route.keeper.revoke(2), 2);
      assert.equal(route.takeReturned().length, 2);
      assert.equal(route.keeper.revoke(100), 3);
      const returned = route.takeReturned();
      assert.equal(returned.length, 3);
      assert.equal(route.keeper.revoke(1), 0, 'what is in use stays');
      assert.ok(blocksOf(kept).every((block) => blockOf(route, block)[0] === 9));
    });

    test('memory in small leases becomes whole again and can be revoked', async () => {
      const route = await make();
      const holder = route.holder(1);
      const small = Array.from({ length: CHUNKS * 4 }, () => holder.claim(BLOCK, false)!);
      assert.equal(new Set(small.flatMap(blocksOf)).size, CHUNKS * 4);
      assert.equal(route.keeper.revoke(CHUNKS), 0);
      for (const claimed of small) {
        fill(route, claimed, 3);
        holder.release(claimed);
      }
      scrubAll(route);
      assert.equal(route.keeper.revoke(CHUNKS), CHUNKS);
    });

    test('a lease is contiguous if it can be, and scattered if it must', async () => {
      const route = await make();
      const holder = route.holder(1);
      const singles = Array.from({ length: CHUNKS }, () => holder.claim(CHUNK, false)!);
      for (const claimed of singles.filter((_, at) => at % 2 === 0)) holder.release(claimed);
      scrubAll(route);
      const scattered = route.holder(2).claim(4 * CHUNK, false)!;
      assert.equal(scattered.scattered!.chunks.length, 4);
      assert.equal(new Set(blocksOf(scattered)).size, (4 * CHUNK) / BLOCK);
      route.holder(2).release(scattered);
      for (const claimed of singles.filter((_, at) => at % 2 === 1)) holder.release(claimed);
      scrubAll(route);
      assert.equal(holder.claim(CHUNKS * CHUNK, false)!.scattered, undefined);
    });

    test('a revocable lease takes whole chunks', async () => {
      const route = await make();
      const claimed = route.holder(1).claim(BLOCK, true)!;
      assert.equal(blocksOf(claimed).length, CHUNK / BLOCK);
    });

    test('what a dead session held comes back, and nothing of the others', async () => {
      const route = await make();
      const [dead, alive] = [route.holder(1), route.holder(2)];
      for (const bytes of [BLOCK, CHUNK, CHUNK + BLOCK]) fill(route, dead.claim(bytes, false)!, 1);
      dead.claim(CHUNK, true);
      const kept = [alive.claim(BLOCK, false)!, alive.claim(CHUNK, true)!];
      for (const claimed of kept) fill(route, claimed, 2);
      route.promise(7, 1);
      assert.equal(route.keeper.reap(1), 4, 'three leased chunks and a promised one');
      scrubAll(route);
      assert.ok(kept.flatMap(blocksOf).every((block) => blockOf(route, block)[0] === 2));
      for (const claimed of kept) alive.release(claimed);
      scrubAll(route);
      assert.equal(route.keeper.revoke(CHUNKS), CHUNKS - 1, 'all but the offer that nobody has taken');
    });

    test('any order of claims, releases, scrubs and deaths keeps memory zeroed, and apart', async () => {
      const route = await make();
      const step = fc.oneof(
        fc.record({
          what: fc.constant('claim'),
          who: fc.integer({ min: 1, max: 3 }),
          size: fc.integer({ min: 1, max: 14 }),
        }),
        fc.record({ what: fc.constant('release'), who: fc.integer({ min: 1, max: 3 }), size: fc.nat(5) }),
        fc.record({
          what: fc.constantFrom('scrub', 'reap'),
          who: fc.integer({ min: 1, max: 3 }),
          size: fc.integer({ min: 1, max: 9 }),
        }),
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
          const held: { who: number; claimed: Claimed }[] = [];
          const end = (at: number): void => {
            const [out] = held.splice(at, 1);
            if (!out) return;
            assert.ok(blocksOf(out.claimed).every((block) => blockOf(route, block)[BLOCK - 1] === out.who));
            route.holder(out.who).release(out.claimed);
          };
          for (const { what, who, size } of steps) {
            if (what === 'claim') {
              const claimed = route.holder(who).claim(size * BLOCK, size === 4);
              if (!claimed) continue;
              assert.ok(blocksOf(claimed).every((block) => isZero(blockOf(route, block))));
              fill(route, claimed, who);
              held.push({ who, claimed });
            } else if (what === 'release') end(size);
            else if (what === 'scrub') route.keeper.scrub(size * BLOCK);
            else {
              route.keeper.reap(who);
              for (let at = held.length - 1; at >= 0; at--) if (held[at]!.who === who) held.splice(at, 1);
            }
          }
          while (held.length > 0) end(0);
          scrubAll(route);
          const whole = route.holder(1).claim(CHUNKS * CHUNK, false);
          assert.ok(whole, 'nothing is lost');
          route.holder(1).release(whole);
          scrubAll(route);
        }),
        { numRuns: 40 },
      );
    });
  });
}
