import fs from 'node:fs';
import type { ArenaSource } from '../platforms/arena/arena-file.ts';

/**
 * What a back end writes down about its arena, so that its successor can take it up: `arena.json` in the run directory.
 * The successor must agree with all of it, or nobody may be using the arena any more.
 */
export interface ArenaInfo {
  readonly arena: ArenaSource;
  /** Tells this arena from any other. */
  readonly arenaId: number;
  readonly chunkBytes: number;
  readonly doorbell: 'futex' | 'fifo';
  /** In the order of their pairs. */
  readonly domains: readonly string[];
  /** All that the back end governs, arena and budgets. */
  readonly totalBytes: number;
}

/** Whole or not at all: under another name first. */
export function writeArenaInfo(file: string, info: ArenaInfo): void {
  fs.writeFileSync(`${file}.new`, JSON.stringify(info), { mode: 0o600 });
  fs.renameSync(`${file}.new`, file);
}

/** @returns undefined when there is none that can be used. */
export function readArenaInfo(file: string): ArenaInfo | undefined {
  let found: Partial<ArenaInfo>;
  try {
    found = JSON.parse(fs.readFileSync(file, 'utf8')) as Partial<ArenaInfo>;
  } catch {
    return undefined;
  }
  const { arena, arenaId, chunkBytes, doorbell, domains, totalBytes } = found;
  const whole =
    typeof arena?.path === 'string' &&
    [arena.byteLength, arenaId, chunkBytes, totalBytes].every(Number.isSafeInteger) &&
    (doorbell === 'futex' || doorbell === 'fifo') &&
    Array.isArray(domains) &&
    domains.every((name) => typeof name === 'string');
  return whole ? (found as ArenaInfo) : undefined;
}

/** The arena that a back end has left in a run directory and that still has its memory; undefined when there is none. */
export function leftArena(file: string): ArenaInfo | undefined {
  const info = readArenaInfo(file);
  try {
    return info && fs.statSync(info.arena.path).size === info.arena.byteLength ? info : undefined;
  } catch {
    return undefined;
  }
}
