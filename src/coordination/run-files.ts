import fs from 'node:fs';
import path from 'node:path';
import { SLUG, SLUG_FORM } from '../config/names.ts';
import { EXIT, MemtideError } from '../errors.ts';

/**
 * Where the agents of one machine meet: a directory on tmpfs that only its user may enter.
 *
 * ```
 * RUN/                 0700
 *   backend.lock       byte 0 is locked while a back end lives
 *   backend.sock       slow plane: agents say hello here
 *   backend.bell       the back end's doorbell: one page for the futex, or a named pipe
 *   keep               named pipe that everybody holds open: the huge-page mount lives until the last one ends
 *   arena.json         where the arena is, and what a successor of the back end must agree with
 *   budgets.json       the domains' budgets as they were last agreed on, for a successor of the back end
 *   owners             whose each chunk is: written by the back end, mapped read-only by everybody else
 *   domains/NAME/
 *     control          the control file of the pair
 *     sessions.lock    byte 0: the domain's agent; byte N: session N; locked while they live
 *     agent.sock       slow plane: applications connect here
 *     front.bell       the front end's doorbell, where it is a named pipe
 *     wake-N           wakes the event loop of session N
 * ```
 * The directory's mode is the whole protection: the arena on one machine is no isolation boundary.
 */
export class RunFiles {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  get backendLock(): string {
    return path.join(this.directory, 'backend.lock');
  }
  get backendSocket(): string {
    return path.join(this.directory, 'backend.sock');
  }
  get backendBell(): string {
    return path.join(this.directory, 'backend.bell');
  }
  get keep(): string {
    return path.join(this.directory, 'keep');
  }
  get arenaInfo(): string {
    return path.join(this.directory, 'arena.json');
  }
  get budgets(): string {
    return path.join(this.directory, 'budgets.json');
  }
  get owners(): string {
    return path.join(this.directory, 'owners');
  }
  /** Of domains that have, or had, an agent here. */
  domainNames(): string[] {
    try {
      return fs
        .readdirSync(path.join(this.directory, 'domains'))
        .filter((name) => SLUG.test(name))
        .sort();
    } catch {
      return [];
    }
  }

  /** @throws MemtideError when it can be no domain's name: it would lead to another folder. */
  domain(name: string): DomainFiles {
    if (!SLUG.test(name)) throw notAName(name);
    return new DomainFiles(path.join(this.directory, 'domains', name));
  }
}

export class DomainFiles {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  get control(): string {
    return path.join(this.directory, 'control');
  }
  get locks(): string {
    return path.join(this.directory, 'sessions.lock');
  }
  get socket(): string {
    return path.join(this.directory, 'agent.sock');
  }
  get bell(): string {
    return path.join(this.directory, 'front.bell');
  }
  wake(session: number): string {
    return path.join(this.directory, `wake-${session}`);
  }
}

const notAName = (name: string): MemtideError =>
  new MemtideError({
    operation: 'find the domain',
    object: JSON.stringify(name.slice(0, 64)),
    expected: `a name of ${SLUG_FORM}`,
    remedy: 'memtide status lists the domains that run here',
    exitCode: EXIT.usage,
  });

/** Byte of `backend.lock` and of `sessions.lock` that stands for the agent itself. */
export const AGENT_LOCK_BYTE = 0;

/** Makes a directory that only this user may enter, or checks that the one that is there is such. */
export function ensurePrivateDirectory(directory: string): void {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const stat = fs.statSync(directory);
  const uid = process.getuid?.();
  if (stat.uid !== uid || (stat.mode & 0o077) !== 0) {
    throw new MemtideError({
      operation: 'use the run directory',
      object: directory,
      expected: `mode 0700, owned by user ${uid}`,
      actual: `mode 0${(stat.mode & 0o777).toString(8)}, owned by user ${stat.uid}`,
      remedy: 'remove it, or choose another with "run_dir" in the configuration',
    });
  }
}

/** The longest path that a Unix socket can have on Linux (sun_path, with its closing zero). */
const MAX_SOCKET_PATH = 107;

export function checkSocketPath(file: string): string {
  if (Buffer.byteLength(file) > MAX_SOCKET_PATH) {
    throw new MemtideError({
      operation: 'use a socket',
      object: file,
      expected: `a path of at most ${MAX_SOCKET_PATH} bytes`,
      remedy: 'choose a shorter "run_dir" in the configuration',
    });
  }
  return file;
}
