/** One thread of the hammering of ledger.test.ts. Session 0 is the keeper of the chunks, the others claim and release. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Geometry } from '../../../src/control/layout.ts';
import { ChunkKeeper } from '../../../src/platforms/arena/chunk-keeper.ts';
import { ChunkSpace } from '../../../src/platforms/arena/chunk-space.ts';
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

function markClaim({ start, chunks, blocks, firstBlock, scattered }: Claimed, from: number, to: number): void {
  if (scattered) for (const chunk of scattered) mark(chunk * perChunk, perChunk, from, to);
  else mark(start * perChunk, chunks * perChunk, from, to);
  if (blocks > 0) mark((start + chunks) * perChunk + firstBlock, blocks, from, to);
}

function claimAndRelease(): void {
  const space = new ChunkSpace(file, geometry, session);
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
    // Nobody may be using what is scrubbed.
    scrub: (offset, length) => mark(offset / blockBytes, length / blockBytes, 0, 0),
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
