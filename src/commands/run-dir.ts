import fs from 'node:fs';
import { defaultRunDir } from '../config/run-dir.ts';
import { EXIT, MemtideError } from '../errors.ts';
import type { CommandIo } from './io.ts';

/** statfs(2): the number by which a tmpfs is known. */
const TMPFS_MAGIC = 0x0102_1994;

function isWritableTmpfs(directory: string): boolean {
  try {
    fs.accessSync(directory, fs.constants.W_OK);
    return fs.statfsSync(directory).type === TMPFS_MAGIC;
  } catch {
    return false;
  }
}

/** The run directory that was asked for, or the one that fits this machine and user. */
export function chooseRunDir(given: string | undefined, io: Pick<CommandIo, 'env'>): string {
  const xdg = io.env.XDG_RUNTIME_DIR;
  const chosen =
    given ??
    io.env.MEMTIDE_RUN_DIR ??
    defaultRunDir({
      uid: process.getuid?.() ?? 0,
      runIsTmpfs: isWritableTmpfs('/run'),
      ...(xdg !== undefined && isWritableTmpfs(xdg) ? { xdgRuntimeDir: xdg } : {}),
      devShmWritable: isWritableTmpfs('/dev/shm'),
    });
  if (chosen !== undefined) return chosen;
  throw new MemtideError({
    operation: 'choose a run directory',
    expected: 'a tmpfs that this user may write to: $XDG_RUNTIME_DIR or /dev/shm',
    remedy: 'mount one and name a folder on it with --run-dir or "run_dir" of the configuration',
    exitCode: EXIT.unavailable,
  });
}
