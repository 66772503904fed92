import { resolve } from 'node:path';
import { EXIT, type ExitCode } from '../errors.ts';
import { shippedRecordings } from '../evaluation/recording/catalogue.ts';
import { characterise } from '../evaluation/recording/characterise.ts';
import type { Recording } from '../evaluation/recording/format.ts';
import { readRecording } from '../evaluation/recording/read.ts';
import { type RecordingReport, recordingsText } from '../evaluation/recording/report-text.ts';
import { detectorCpuMicros, scoreDetector } from '../evaluation/recording/score.ts';
import { DEFAULT_BURST_PARAMETERS } from '../pressure/burst-parameters.ts';
import { cpuMicros } from '../pressure/sampler.ts';
import { DEFAULT_SAMPLING_RATE } from '../pressure/sampling-rate.ts';
import type { CommandIo } from './io.ts';

export interface RecordingsOptions {
  /** None: those that come with memtide. */
  readonly files: readonly string[];
  readonly json: boolean;
}

/** `memtide recordings`: how bursty recorded applications are, and how well the detector does on them. */
export async function recordingsCommand({ files, json }: RecordingsOptions, io: CommandIo): Promise<ExitCode> {
  const paths =
    files.length > 0 ? files.map((file) => resolve(io.cwd, file)) : (await shippedRecordings()).map(({ path }) => path);
  const reports: RecordingReport[] = [];
  for (const path of paths) reports.push(report(await readRecording(path)));
  io.stdout.write(json ? `${JSON.stringify(reports, undefined, 2)}\n` : recordingsText(reports, io.columns));
  return EXIT.ok;
}

export function report({ name, trace, provenance, truncated }: Recording): RecordingReport {
  const parameters = DEFAULT_BURST_PARAMETERS;
  return {
    name,
    ...(provenance && { provenance }),
    truncated,
    characteristics: characterise(trace, parameters),
    detector: scoreDetector(trace, parameters),
    detectorAdaptive: scoreDetector(trace, parameters, DEFAULT_SAMPLING_RATE),
    detectorCpuMicrosPerSample: detectorCpuMicros(trace, parameters, cpuMicros),
  };
}
