import fs from 'node:fs';
import path from 'node:path';
import { schedulingOf } from '../agent/settings.ts';
import { systemClock } from '../clock.ts';
import { checkConfig } from '../config/load.ts';
import type { PlaneScheduling } from '../coordination/plane-constructs.ts';
import { EXIT, type ExitCode, MemtideError } from '../errors.ts';
import type { Progress } from '../evaluation/bench/bench-run.ts';
import { MachineSource } from '../pressure/machine-source.ts';
import { type Bytes, bytes } from '../units.ts';
import type { CommandIo } from './io.ts';

/** The bench must not be what makes the machine short of memory. */
const SHARE_OF_FREE = 1 / 4;

/** What every bench is given. */
export interface BenchRoom {
  /** A directory on tmpfs that it may fill and remove. */
  readonly scratchDir: string;
  /** The most memory that it may hold at once. */
  readonly memoryBytes: Bytes;
  /** What agents ask for when their configuration says nothing; an ordinary user is refused it. */
  readonly scheduling: PlaneScheduling;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/**
 * Runs a bench and prints what it found, for people or for programs.
 * @param text how people read it.
 */
export async function benchInRoom<Result>(
  { json }: { readonly json: boolean },
  io: CommandIo,
  run: (room: BenchRoom) => Promise<Result>,
  text: (result: Result, options: { readonly colours: boolean }) => string,
): Promise<ExitCode> {
  const scratchDir = fs.mkdtempSync(path.join(sharedMemoryFolder(), 'memtide-bench-'));
  const progress = progressLine(io);
  try {
    const { signal } = io;
    const scheduling = schedulingOf(checkConfig({}));
    const result = await run({ scratchDir, memoryBytes: freeShare(), scheduling, signal, progress: progress.show });
    progress.end();
    const colours = io.interactive && !io.env.NO_COLOR;
    io.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : text(result, { colours }));
    return EXIT.ok;
  } catch (error) {
    progress.end();
    if (!io.signal.aborted) throw error;
    io.stderr.write('memtide: the bench was interrupted; everything it took has been given back\n');
    return EXIT.failed;
  } finally {
    fs.rmSync(scratchDir, { recursive: true, force: true });
  }
}

function freeShare(): Bytes {
  const machine = new MachineSource({ clock: systemClock });
  const { availableBytes, missing } = machine.sample();
  machine.close();
  if (availableBytes !== undefined) return bytes(Math.floor(availableBytes * SHARE_OF_FREE));
  throw new MemtideError({
    operation: 'run the bench',
    expected: 'to read how much memory is free, of which it takes a quarter',
    actual: missing?.map(({ source, reason }) => `${source}: ${reason}`).join('; ') ?? 'no reading',
    remedy: 'mount /proc',
    exitCode: EXIT.unavailable,
  });
}

/** The arena with base pages and the control files live here; the one with huge pages brings a tmpfs of its own. */
function sharedMemoryFolder(): string {
  try {
    fs.accessSync('/dev/shm', fs.constants.W_OK);
    return '/dev/shm';
  } catch (cause) {
    throw new MemtideError({
      operation: 'run the bench',
      expected: '/dev/shm, writable for this user',
      remedy: 'mount -t tmpfs tmpfs /dev/shm',
      cause,
      exitCode: EXIT.unavailable,
    });
  }
}

/** One redrawn line on a terminal, a line a step elsewhere; on standard error, so that the result can be piped. */
function progressLine({ stderr, columns }: CommandIo): { readonly show: Progress; end(): void } {
  if (!('isTTY' in stderr && stderr.isTTY === true)) {
    return {
      show: (step, share) => stderr.write(`${`${Math.round(share * 100)}`.padStart(3)} % ${step}\n`),
      end: () => {},
    };
  }
  const CLEAR = '\r\u001b[K';
  return {
    show: (step, share) => stderr.write(`${CLEAR}${bar(share)} ${step}`.slice(0, CLEAR.length + columns - 1)),
    end: () => stderr.write(CLEAR),
  };
}

const BAR_CELLS = 24;

function bar(share: number): string {
  const full = Math.round(share * BAR_CELLS);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)}`;
}
