import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Clock } from '../../clock.ts';
import { EXIT, errorCode, errorMessage, MemtideError } from '../../errors.ts';
import { ProcessTree } from '../../pressure/process-tree.ts';
import type { Timer } from '../../pressure/timer.ts';
import type { Millis } from '../../units.ts';

/** Runs a program and reads the memory of its process tree at a steady interval until it ends. */
export interface FollowOptions {
  readonly command: readonly string[];
  readonly interval: Millis;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted to end the program: it gets the signal that is the reason (`SIGINT`), or SIGTERM. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly timer: Timer;
  /** @param atMicros from the start of the program. */
  readonly onSample: (atMicros: number, usedBytes: number) => void;
}

export interface Followed {
  /** The program's own exit code, or 128 + the number of the signal that ended it, as shells say it. */
  readonly exitCode: number;
  /** Different processes seen, the first one included. */
  readonly processes: number;
}

/**
 * The program gets a session of its own. So a Ctrl-C reaches it once, through us, and descendants that have lost their
 * parent are still known as its. What outlives the program is not followed.
 * @throws MemtideError when the program cannot be started.
 */
export async function follow(options: FollowOptions): Promise<Followed> {
  const { command, cwd, env, signal, clock } = options;
  const [program = '', ...args] = command;
  const child = spawn(program, args, { cwd, env: { ...env }, stdio: 'inherit', detached: true });
  const startedAt = clock.monotonicMicros();
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(cannotStart(program, error)));
    child.once('exit', (code, name) => resolve(code ?? 128 + (name ? constants.signals[name] : 0)));
  });
  if (child.pid === undefined) return { exitCode: await ended, processes: 0 };

  const group = -child.pid;
  const forward = () => sendSignal(group, signal.reason === 'SIGINT' ? 'SIGINT' : 'SIGTERM');
  const tree = new ProcessTree({ roots: [child.pid] });
  const stop = readSteadily(options, tree, startedAt);
  if (signal.aborted) forward();
  signal.addEventListener('abort', forward);
  try {
    return { exitCode: await ended, processes: tree.seen };
  } finally {
    stop();
    signal.removeEventListener('abort', forward);
    tree.close();
  }
}

/** The first reading is at once. Later ones keep to a grid, so that being late once does not slow the rest down. */
function readSteadily({ interval, clock, timer, onSample }: FollowOptions, tree: ProcessTree, startedAt: number) {
  const step = interval * 1000;
  let due: number = startedAt;
  let cancel = (): void => {};
  const read = () => {
    onSample(clock.monotonicMicros() - startedAt, tree.usedBytes());
    const now = clock.monotonicMicros();
    due += step * Math.max(1, Math.ceil((now - due) / step));
    cancel = timer.after(due - now, read);
  };
  read();
  return () => cancel();
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error; // It has just ended by itself: nothing is left to do.
  }
}

function cannotStart(program: string, cause: Error): MemtideError {
  return new MemtideError({
    operation: 'start the program',
    object: program,
    actual: errorCode(cause) === 'ENOENT' ? 'no such program, or no such working folder' : errorMessage(cause),
    remedy: 'check its name; it is looked for in PATH and gets its arguments as they stand behind --',
    cause,
    exitCode: EXIT.unavailable,
  });
}
