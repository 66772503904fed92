/** `memtide drive record | list | export | prune`: what vehicles reported, kept in files. */
import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { VERSION } from '../agent/version.ts';
import { systemClock } from '../clock.ts';
import { loadConfig } from '../config/load.ts';
import { drivesText } from '../demo/drive-text.ts';
import { EXIT, type ExitCode, errorCode, errorMessage, MemtideError } from '../errors.ts';
import { adjtimexReader } from '../telemetry/clock-sync.ts';
import {
  type DriveFileInfo,
  type DriveSummary,
  driveFiles,
  drivesToPrune,
  summarizeDrive,
} from '../telemetry/drive/catalogue.ts';
import { csvFormat } from '../telemetry/drive/csv.ts';
import { type DriveContent, readDrive } from '../telemetry/drive/read.ts';
import { DriveRecorder } from '../telemetry/drive/recorder.ts';
import { DriveSink } from '../telemetry/drive/sink.ts';
import { readBootId } from '../telemetry/stamp.ts';
import { REPORTS, type Report } from '../telemetry/topics.ts';
import { formatBytes, MIB } from '../units.ts';
import { type BrokerOptions, brokerAccess } from './broker-access.ts';
import type { CommandIo } from './io.ts';

export interface DriveRecordOptions extends BrokerOptions {
  readonly dir: string;
  /** Size of the folder, in MiB, beyond which the oldest drives go. */
  readonly capMib?: number;
}

const PRUNE_MILLIS = 60_000;

/** Records what the agents of a broker report, until it is interrupted. @throws MemtideError when the folder cannot be used. */
export async function driveRecordCommand(options: DriveRecordOptions, io: CommandIo): Promise<ExitCode> {
  const config = loadConfig(options.config === undefined ? undefined : resolve(io.cwd, options.config));
  const folder = resolve(io.cwd, options.dir);
  const broker = await brokerAccess(options, config, io);
  const tell = (text: string): void => void io.stderr.write(`${text}\n`);
  const recorder = new DriveRecorder({
    folder,
    clock: systemClock,
    bootId: readBootId('/proc').id,
    readSyncState: adjtimexReader(),
    recorder: `memtide ${VERSION}`,
    onProblem: (reason) => tell(`cannot write: ${reason}; trying again`),
  });
  await recorder.start();
  const sink = new DriveSink({
    recorder,
    ...broker,
    protocolVersion: config.mqtt.protocol_version,
    keepaliveSeconds: config.mqtt.keepalive_s,
    onConnection: (state) =>
      tell(state === 'connected' ? `recording from ${broker.url} into ${folder}` : `${broker.url}: ${state.lost}`),
  });
  await sink.start();
  const keepBytes = options.capMib === undefined ? undefined : options.capMib * MIB;
  const pruning = setInterval(() => {
    if (keepBytes !== undefined) void prune(folder, { keepBytes }).catch((error) => tell(errorMessage(error)));
  }, PRUNE_MILLIS);
  if (!io.signal.aborted) await once(io.signal, 'abort');
  clearInterval(pruning);
  const { files, recorded, duplicates, refused } = recorder.status();
  await sink.stop();
  tell(`${recorded} messages in ${files.join(', ') || 'no file'}; ${duplicates} came twice, ${refused} were not taken`);
  return EXIT.ok;
}

/** Shows what is in the drives of a folder. */
export async function driveListCommand(
  { dir, json }: { readonly dir: string; readonly json: boolean },
  io: CommandIo,
): Promise<ExitCode> {
  const drives: DriveSummary[] = [];
  for (const file of await filesOf(resolve(io.cwd, dir))) drives.push(await summarizeDrive(file));
  io.stdout.write(json ? `${JSON.stringify(drives, undefined, 2)}\n` : drivesText(drives));
  return EXIT.ok;
}

export interface DriveExportOptions {
  readonly file: string;
  readonly out?: string;
  readonly report?: string;
}

/** Writes a drive as CSV, with its times put right. @throws MemtideError when it cannot be read. */
export async function driveExportCommand({ file, out, report }: DriveExportOptions, io: CommandIo): Promise<ExitCode> {
  if (report !== undefined && !(REPORTS as readonly string[]).includes(report)) throw unknownReport(report);
  const only = report === undefined ? REPORTS : [report as Report];
  const path = resolve(io.cwd, file);
  if (!existsSync(path)) throw cannotRead(path, 'there is no such file');
  const target: NodeJS.WritableStream = out === undefined ? io.stdout : createWriteStream(resolve(io.cwd, out));
  let failure: Error | undefined;
  const failed = (error: Error): void => {
    failure ??= error;
  };
  target.on('error', failed);
  const format = csvFormat(only);
  const counts = { rows: 0, none: 0 };
  target.write(format.header);
  let content: DriveContent;
  try {
    content = await readDrive(path, (entry) => {
      if (failure) throw failure;
      if (!only.includes(entry.report)) return;
      counts.rows++;
      if (entry.time?.by === 'none') counts.none++;
      if (!target.write(format.row(entry))) return once(target, 'drain').then(() => {});
    });
    if (out !== undefined) {
      target.end();
      await once(target, 'finish');
    }
  } catch (error) {
    // Whoever read has seen enough: head, a pager.
    if (errorCode(error) === 'EPIPE') return EXIT.ok;
    throw failure === error ? cannotWrite(out ?? 'standard output', error) : error;
  } finally {
    target.off('error', failed);
  }
  const { duplicates, badLines, firstBad } = content;
  const notes = [
    `${counts.rows} messages`,
    ...(duplicates > 0 ? [`${duplicates} more came twice`] : []),
    ...(counts.none > 0
      ? [`the time of ${counts.none} is what their agent believed, with a clock that was not set`]
      : []),
    ...(badLines > 0 ? [`${badLines} lines could not be read, the first for: ${firstBad}`] : []),
  ];
  io.stderr.write(`${notes.join('; ')}\n`);
  return EXIT.ok;
}

export interface DrivePruneOptions {
  readonly dir: string;
  readonly keepDays?: number;
  readonly keepMib?: number;
  readonly dryRun: boolean;
}

const DAY_MILLIS = 86_400_000;

/** Removes the oldest drives. @throws MemtideError when it is not said how much to keep. */
export async function drivePruneCommand(options: DrivePruneOptions, io: CommandIo): Promise<ExitCode> {
  const { dir, keepDays, keepMib, dryRun } = options;
  if (keepDays === undefined && keepMib === undefined) {
    throw new MemtideError({
      operation: 'prune drives',
      expected: '--keep-days or --keep-mib, or both',
      remedy: 'say how much is to be kept; --dry-run shows what would go',
      exitCode: EXIT.usage,
    });
  }
  const limits = {
    ...(keepDays === undefined ? {} : { keepMillis: keepDays * DAY_MILLIS }),
    ...(keepMib === undefined ? {} : { keepBytes: keepMib * MIB }),
  };
  const gone = await prune(resolve(io.cwd, dir), limits, dryRun);
  for (const { path } of gone) io.stdout.write(`${path}\n`);
  const bytes = gone.reduce((sum, file) => sum + file.bytes, 0);
  io.stderr.write(`${gone.length} drives, ${formatBytes(bytes)}, ${dryRun ? 'would go' : 'are gone'}\n`);
  return EXIT.ok;
}

async function prune(
  folder: string,
  limits: Parameters<typeof drivesToPrune>[1],
  dryRun = false,
): Promise<DriveFileInfo[]> {
  const going = drivesToPrune(await filesOf(folder), limits, systemClock.wallMillis());
  if (!dryRun) for (const { path } of going) await rm(path, { force: true });
  return going;
}

async function filesOf(folder: string): Promise<DriveFileInfo[]> {
  try {
    return await driveFiles(folder);
  } catch (cause) {
    throw cannotRead(folder, errorCode(cause) ?? errorMessage(cause), cause);
  }
}

const cannotRead = (path: string, actual: string, cause?: unknown): MemtideError =>
  new MemtideError({
    operation: 'read',
    object: path,
    expected: 'a file or folder that this user may read',
    actual,
    remedy: 'name another',
    cause,
    exitCode: EXIT.usage,
  });

const cannotWrite = (path: string, cause: unknown): MemtideError =>
  new MemtideError({
    operation: 'write',
    object: path,
    expected: 'a file that this user may write, on a disk with room',
    actual: errorCode(cause) ?? errorMessage(cause),
    remedy: 'name another with --out',
    cause,
    exitCode: EXIT.unavailable,
  });

const unknownReport = (report: string): MemtideError =>
  new MemtideError({
    operation: 'export a drive',
    object: `--report ${report.slice(0, 64)}`,
    expected: REPORTS.join(', '),
    remedy: 'leave --report out for all of them',
    exitCode: EXIT.usage,
  });
