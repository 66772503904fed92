import fs from 'node:fs';
import path from 'node:path';
import { systemClock } from '../clock.ts';
import { EXIT, type ExitCode, MemtideError } from '../errors.ts';
import { renderBench } from '../evaluation/bench/report.ts';
import { runBench } from '../evaluation/bench/run.ts';
import { MachineSource } from '../pressure/machine-source.ts';
import { bytes, formatBytes, MIB } from '../units.ts';
import type { CommandIo } from './io.ts';

export interface BenchCommandOptions {
  readonly quick: boolean;
  readonly json: boolean;
}

/** Less than this and the larger sizes say nothing. */
const LEAST_BYTES = 512 * MIB;

/** `memtide bench`: inter-domain memory beside every local way, in one run. @param mainModule to start agents with. */
export async function benchCommand(options: BenchCommandOptions, io: CommandIo, mainModule: string): Promise<ExitCode> {
  const memoryBytes = freeQuarter();
  const scratchDir = fs.mkdtempSync(path.join(tmpfsFolder(), 'memtide-bench-'));
  const show = progressLine(io);
  try {
    const result = await runBench({
      quick: options.quick,
      scratchDir,
      memoryBytes,
      mainModule,
      nice: -15,
      signal: io.signal,
      progress: show,
    });
    show('', 1);
    io.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : `${renderBench(result)}\n`);
    return EXIT.ok;
  } catch (error) {
    if (io.signal.aborted) return EXIT.failed;
    throw error;
  } finally {
    fs.rmSync(scratchDir, { recursive: true, force: true });
  }
}

/** A quarter of what is free: the bench must not be what makes the machine short of memory. */
function freeQuarter(): ReturnType<typeof bytes> {
  const machine = new MachineSource({ clock: systemClock });
  const available = machine.sample().availableBytes ?? 0;
  machine.close();
  const quarter = Math.floor(available / 4);
  if (quarter >= LEAST_BYTES) return bytes(quarter);
  throw new MemtideError({
    operation: 'run the bench',
    expected: `${formatBytes(LEAST_BYTES * 4)} of free memory, of which it takes a quarter`,
    actual: formatBytes(available),
    remedy: 'end other programs',
    exitCode: EXIT.unavailable,
  });
}

function tmpfsFolder(): string {
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
function progressLine({ stderr, columns }: CommandIo): (step: string, share: number) => void {
  const terminal = 'isTTY' in stderr && stderr.isTTY === true;
  return (step, share) => {
    if (terminal) stderr.write(`\r\u001b[K${step === '' ? '' : bar(step, share, Math.min(columns, 80))}`);
    else if (step !== '') stderr.write(`${String(Math.round(share * 100)).padStart(3)} % ${step}\n`);
  };
}

function bar(step: string, share: number, width: number): string {
  const cells = Math.max(10, width - step.length - 10);
  const full = Math.round(share * cells);
  return `${'█'.repeat(full)}${'░'.repeat(cells - full)} ${step}`;
}
