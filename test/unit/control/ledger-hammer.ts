/** One thread of the hammering of ledger.test.ts. Session 0 is the keeper of the chunks, the others claim and release. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Geometry } from '../../../src/control/layout.ts';
import { ChunkKeeper } from '../../../src/platforms/arena/chunk-keeper.ts';
import { ChunkSpace } from '../../../src/platforms/arena/chunk-space.ts';
import { extentsOf } from '../../../src/platforms/arena/extents.ts';
import type { Claimed } from '../../../src/platforms/contracts.ts';

const { buffer, owners, geometry, session, threads, rounds } = workerData as {
  buffer: SharedArrayBuffer;
  owners: SharedArrayBuffer;
  geometry: Geometry;
  session: number;
  threads: number;
  rounds: number;
};
const file = {
  words: new Int32Array(buffer),
  halfwords: new Uint16Array(buffer),
  address: 0,
  byteLength: buffer.byteLength,
};
/** Who uses each block, kept beside the ledger: 0 nobody. The identity line of the file counts the threads that ended. */
const users = new Int32Array(owners);
const ENDED = 15;
const perChunk = 2 ** (geometry.chunkShift - geometry.blockShift);
const blockBytes = 2 ** geometry.blockShift;
let clashes = 0;
let claims = 0;

function mark(first: number, count: number, from: number, to: number): void {
  for (let block = first; block < first + count; block++) {
    if (Atomics.compareExchange(users, block, from, to) !== from) clashes++;
  }
}

const expectUnused = (offset: number, length: number): void => mark(offset / blockBytes, length / blockBytes, 0, 0);

function markClaim(claimed: Claimed, from: number, to: number): void {
  for (const { offset, length } of extentsOf(claimed, perChunk * blockBytes, blockBytes)) {
    mark(offset / blockBytes, length / blockBytes, from, to);
  }
}

function claimAndRelease(): void {
  // Nobody may be using what is scrubbed, whoever scrubs it.
  const space = new ChunkSpace(file, geometry, session, undefined, { scrub: expectUnused });
  const held: Claimed[] = [];
  let seed = session * 7919;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < rounds || claims === 0; round++) {
    const claimed = random(3) > 0 ? space.claim((1 + random(4 * perChunk)) * blockBytes, random(4) === 0) : undefined;
    if (claimed) {
      claims++;
      markClaim(claimed, 0, session);
      held.push(claimed);
    }
    while (held.length > (claimed ? 3 : 0)) {
      const [out] = held.splice(random(held.length), 1);
      markClaim(out!, session, 0);
      space.release(out!);
    }
  }
  for (const claimed of held) {
    markClaim(claimed, session, 0);
    space.release(claimed);
  }
  Atomics.add(file.words, ENDED, 1);
}

function keep(): void {
  const keeper = new ChunkKeeper(file, geometry, {
    scrub: expectUnused,
  });
  for (let ended = false; ; ) {
    if (keeper.scrub(blockBytes) > 0) continue;
    if (ended) return;
    ended = Atomics.load(file.words, ENDED) === threads;
  }
}

if (session === 0) keep();
else claimAndRelease();
parentPort!.postMessage({ clashes, claims });
