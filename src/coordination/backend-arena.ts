import { BLOCK_SHIFT, type Geometry } from '../control/layout.ts';
import { createOwnersFile, OWNER, type OwnerWords, openOwnersFile, residentExtents } from '../control/owner-table.ts';
import { MemtideError } from '../errors.ts';
import { type Arena, createArena, type HugePages, openArena } from '../platforms/arena/arena-file.ts';
import { type Bytes, formatBytes } from '../units.ts';
import type { ArenaInfo } from './arena-info.ts';
import type { RunFiles } from './run-files.ts';

/** How the arena came to be, for people and for the environment of a measurement. */
export interface ArenaFacts {
  readonly huge: boolean;
  readonly hugeReason: string | undefined;
  readonly locked: boolean;
  readonly lockReason: string | undefined;
  readonly populateMicros: number;
  /** Memory behind it at the start. */
  readonly byteLength: number;
  /** Whether it is the arena of a back end before this one. */
  readonly takenUp: boolean;
}

export interface BackendArena {
  readonly arena: Arena;
  readonly arenaId: number;
  readonly geometry: Geometry;
  readonly owners: OwnerWords;
  readonly facts: ArenaFacts;
}

/** What an arena is to be like. */
export interface ArenaWish {
  readonly arenaBytes: Bytes;
  /** Memory taken from the system at the start; the rest is taken when it is freed elsewhere. */
  readonly populateBytes?: Bytes;
  readonly chunkBytes: number;
  readonly hugePages: HugePages;
  readonly lock: boolean;
}

const geometryOf = (byteLength: number, chunkBytes: number): Geometry => ({
  chunkCount: Math.floor(byteLength / chunkBytes),
  chunkShift: Math.log2(chunkBytes),
  blockShift: BLOCK_SHIFT,
});

/** Makes a new arena and takes its memory. @throws MemtideError when there is not enough. */
export async function makeArena(wish: ArenaWish, files: RunFiles): Promise<BackendArena> {
  const { arenaBytes, chunkBytes, populateBytes = arenaBytes } = wish;
  const geometry = geometryOf(arenaBytes, chunkBytes);
  const { chunkCount } = geometry;
  if (chunkCount < 1) {
    throw new MemtideError({
      operation: 'make the arena',
      expected: `at least one chunk of ${formatBytes(chunkBytes)}`,
      actual: formatBytes(arenaBytes),
      remedy: 'raise total_mib, lower budget_mib of the domains, or lower arena.chunk_kib',
    });
  }
  const arenaId = Math.floor(Math.random() * 2 ** 31);
  const arena = await createArena({
    directory: files.directory,
    byteLength: chunkCount * chunkBytes,
    hugePages: wish.hugePages,
    keep: files.keep,
  });
  const before = performance.now();
  const wanted = Math.min(chunkCount, Math.floor(populateBytes / chunkBytes)) * chunkBytes;
  if (!arena.populate(0, wanted)) {
    throw new MemtideError({
      operation: 'take memory for the arena',
      object: arena.source.path,
      expected: formatBytes(wanted),
      actual: 'the tmpfs or the machine has less',
      remedy: 'lower total_mib, or make /dev/shm larger (mount -o remount,size=…)',
    });
  }
  const populateMicros = (performance.now() - before) * 1000;
  createOwnersFile(files.owners, chunkCount, arenaId);
  const owners = openOwnersFile(files.owners, { chunkCount, arenaId }, 'write');
  owners.fill(OWNER.free, 0, wanted / chunkBytes);
  return { arena, arenaId, geometry, owners, facts: factsOf(wish, arena, owners, { populateMicros, takenUp: false }) };
}

/** Opens the arena of a back end that has gone. What has no memory by its books gives back what it may have after all. */
export function takeUpArena(
  { arena: source, arenaId, chunkBytes }: ArenaInfo,
  wish: ArenaWish,
  files: RunFiles,
): BackendArena {
  const geometry = geometryOf(source.byteLength, chunkBytes);
  const owners = openOwnersFile(files.owners, { chunkCount: geometry.chunkCount, arenaId }, 'write');
  const arena = openArena(source);
  for (let chunk = 0; chunk < geometry.chunkCount; chunk++) {
    if (owners[chunk] === OWNER.absent) arena.punch(chunk * chunkBytes, chunkBytes);
  }
  return {
    arena,
    arenaId,
    geometry,
    owners,
    facts: factsOf(wish, arena, owners, { populateMicros: 0, takenUp: true }),
  };
}

function factsOf(
  { lock, chunkBytes }: ArenaWish,
  arena: Arena,
  owners: OwnerWords,
  how: { readonly populateMicros: number; readonly takenUp: boolean },
): ArenaFacts {
  const resident = residentExtents(owners, chunkBytes);
  let lockReason = lock ? undefined : 'arena.lock is off';
  for (const { offset, length } of resident) lockReason ??= arena.lock(offset, length);
  return {
    huge: arena.source.huge,
    hugeReason: arena.source.hugeReason,
    locked: lockReason === undefined,
    lockReason,
    byteLength: resident.reduce((sum, { length }) => sum + length, 0),
    ...how,
  };
}
