import { basename, join, resolve } from 'node:path';
import { systemClock } from '../clock.ts';
import { EXIT, MemtideError } from '../errors.ts';
import { type Characteristics, characterise } from '../evaluation/recording/characterise.ts';
import { type Followed, follow } from '../evaluation/recording/follow.ts';
import { FILE_ENDING } from '../evaluation/recording/format.ts';
import { gatherProvenance } from '../evaluation/recording/provenance.ts';
import { readRecording } from '../evaluation/recording/read.ts';
import { RecordingWriter } from '../evaluation/recording/write.ts';
import { DEFAULT_BURST_PARAMETERS } from '../pressure/burst-parameters.ts';
import { cpuMicros } from '../pressure/sampler.ts';
import { systemTimer } from '../pressure/timer.ts';
import { formatBytes, millis } from '../units.ts';
import type { CommandIo } from './io.ts';

export interface RecordOptions {
  readonly command: readonly string[];
  /** Default: the program's name and the date, in the working folder. */
  readonly out?: string;
  readonly intervalMillis: number;
  /** Plain CSV, with no header. */
  readonly csv: boolean;
  /** Free text for the header. */
  readonly note?: string;
}

/**
 * `memtide record`: runs a program, writes down the memory of its process tree, and sums it up on stderr (stdout is the
 * program's).
 * @returns the program's own exit code, which may be any number from 0 to 255.
 */
export async function recordCommand(options: RecordOptions, io: CommandIo): Promise<number> {
  check(options);
  const { command, intervalMillis, csv, note } = options;
  const wallMillis = systemClock.wallMillis();
  const path = resolve(io.cwd, options.out ?? defaultName(command[0]!, wallMillis, csv));
  const shorten = [[io.cwd, '.'] as const, [io.env.HOME ?? '', '~'] as const].filter(([folder]) => folder.length > 1);
  const provenance = csv ? undefined : gatherProvenance({ command, intervalMillis, wallMillis, shorten, note });
  const writer = new RecordingWriter(path, provenance);
  await writer.ready();

  const cpuBefore = cpuMicros();
  const followed = await follow({
    command,
    interval: millis(intervalMillis),
    cwd: io.cwd,
    env: io.env,
    signal: io.signal,
    clock: systemClock,
    timer: systemTimer,
    onSample: (atMicros, usedBytes) => writer.append(atMicros, usedBytes),
  }).finally(() => writer.close());
  const cpu = cpuMicros() - cpuBefore;

  // Read back from the file, so that what is told is what was written.
  const { trace } = await readRecording(path);
  io.stderr.write(summary(path, followed, characterise(trace, DEFAULT_BURST_PARAMETERS), cpu));
  return followed.exitCode;
}

function check({ command, intervalMillis }: RecordOptions): void {
  if (command.length === 0) {
    throw new MemtideError({
      operation: 'record',
      expected: 'a program behind --',
      remedy: 'memtide record -- ffmpeg -i in.mp4 out.mp4',
      exitCode: EXIT.usage,
    });
  }
  if (!(intervalMillis >= 1 && intervalMillis <= 10_000)) {
    throw new MemtideError({
      operation: 'record',
      object: '--interval-ms',
      expected: 'a number of milliseconds from 1 to 10000',
      actual: String(intervalMillis),
      remedy: '10 is right for nearly everything',
      exitCode: EXIT.usage,
    });
  }
}

function defaultName(program: string, wallMillis: number, csv: boolean): string {
  const date = new Date(wallMillis).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  return join('.', `${basename(program)}-${date}${csv ? '.csv' : FILE_ENDING}`);
}

function summary(path: string, { processes, exitCode }: Followed, facts: Characteristics, cpuMicros: number): string {
  const rate = facts.riseRates.find(({ windowMillis }) => windowMillis === 100)?.p99BytesPerSecond;
  const rows: ReadonlyArray<readonly [string, string]> = [
    ['recorded', path],
    ['duration', `${facts.durationSeconds.toFixed(2)} s, ${facts.samples} samples of ${processes} processes`],
    ['peak', formatBytes(facts.peakBytes)],
    ['mean', formatBytes(Math.round(facts.meanBytes))],
    ['peak / mean', facts.peakToMean?.toFixed(2) ?? 'none: nothing was in use'],
    ['rise rate', rate === undefined ? 'it never rose' : `p99 ${formatBytes(Math.round(rate))}/s over 100 ms`],
    ['bursts', `${facts.bursts} of ${formatBytes(DEFAULT_BURST_PARAMETERS.riseBytes)} or more`],
    ['interval', `p50 ${millisText(facts.intervalP50Millis)}, p99 ${millisText(facts.intervalP99Millis)}`],
    ['own CPU', ownCpu(cpuMicros, facts)],
    ['exit code', String(exitCode)],
  ];
  return rows.map(([name, value]) => `${name.padEnd(12)} ${value}\n`).join('');
}

const millisText = (value: number | undefined): string =>
  value === undefined ? 'unknown: one sample' : `${value.toFixed(1)} ms`;

function ownCpu(cpuMicros: number, { durationSeconds, samples }: Characteristics): string {
  const perSample = `${(cpuMicros / samples).toFixed(0)} µs a sample`;
  return durationSeconds > 0
    ? `${(cpuMicros / durationSeconds / 1e4).toFixed(1)} % of one CPU, ${perSample}`
    : perSample;
}
