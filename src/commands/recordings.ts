import { resolve } from 'node:path';
import Table from 'cli-table3';
import { EXIT, type ExitCode } from '../errors.ts';
import { shippedRecordings } from '../evaluation/recording/catalogue.ts';
import { type Characteristics, characterise } from '../evaluation/recording/characterise.ts';
import type { Provenance, Recording } from '../evaluation/recording/format.ts';
import { readRecording } from '../evaluation/recording/read.ts';
import { type DetectorScore, detectorCpuMicros, scoreDetector } from '../evaluation/recording/score.ts';
import { DEFAULT_BURST_PARAMETERS } from '../pressure/burst-parameters.ts';
import { cpuMicros } from '../pressure/sampler.ts';
import { DEFAULT_SAMPLING_RATE } from '../pressure/sampling-rate.ts';
import { formatBytes, formatMicros } from '../units.ts';
import type { CommandIo } from './io.ts';

export interface RecordingsOptions {
  /** None: those that come with memtide. */
  readonly files: readonly string[];
  readonly json: boolean;
}

/** One recording's row; also what `--json` prints. */
export interface RecordingReport {
  readonly name: string;
  readonly provenance?: Provenance;
  readonly truncated: boolean;
  readonly characteristics: Characteristics;
  /** Reading every sample. */
  readonly detector: DetectorScore;
  /** Reading at the sampler's adaptive rate. */
  readonly detectorAdaptive: DetectorScore;
  readonly detectorCpuMicrosPerSample: number;
}

/** `memtide recordings`: how bursty recorded applications are, and how well the detector does on them. */
export async function recordingsCommand({ files, json }: RecordingsOptions, io: CommandIo): Promise<ExitCode> {
  const paths =
    files.length > 0 ? files.map((file) => resolve(io.cwd, file)) : (await shippedRecordings()).map(({ path }) => path);
  const reports: RecordingReport[] = [];
  for (const path of paths) reports.push(report(await readRecording(path)));
  io.stdout.write(json ? `${JSON.stringify(reports, undefined, 2)}\n` : tables(reports));
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

function tables(reports: readonly RecordingReport[]): string {
  const sections = reports.map(({ name, provenance, truncated }) => {
    const notes = [provenance?.command ?? 'plain CSV, no provenance', ...(truncated ? ['last line cut off'] : [])];
    return `${name}: ${notes.join('; ')}\n`;
  });
  return `${sections.join('')}\n${burstTable(reports)}\n\n${detectorTable(reports)}\n`;
}

function burstTable(reports: readonly RecordingReport[]): string {
  const table = plainTable([
    'recording',
    'duration',
    'peak',
    'peak/mean',
    'rise p50/p99 in 10 ms',
    '100 ms',
    '1 s',
    'bursts',
    'rise p50/max',
    'lasting p50/p99',
    'gap CV',
    'dispersion',
  ]);
  for (const { name, characteristics: facts } of reports) {
    table.push([
      name,
      `${facts.durationSeconds.toFixed(1)} s`,
      formatBytes(facts.peakBytes),
      fixed(facts.peakToMean, 2),
      ...facts.riseRates.map((rate) => `${bytesText(rate.p50BytesPerSecond)} / ${bytesText(rate.p99BytesPerSecond)}`),
      facts.bursts,
      `${bytesText(facts.burstRiseP50Bytes)} / ${bytesText(facts.burstRiseMaxBytes)}`,
      `${fixed(facts.burstDurationP50Seconds, 2)} / ${fixed(facts.burstDurationP99Seconds, 2)} s`,
      fixed(facts.gapVariation, 2),
      fixed(facts.dispersionIndex, 1),
    ]);
  }
  return `Bursts (rise rates per second, where memory rose)\n${table.toString()}`;
}

function detectorTable(reports: readonly RecordingReport[]): string {
  const table = plainTable([
    'recording',
    'reading',
    'labelled',
    'detected',
    'precision',
    'recall',
    'onset to detection p50/p99',
    'lead to peak p50',
    'samples',
    'CPU a sample',
  ]);
  for (const { name, detector, detectorAdaptive, detectorCpuMicrosPerSample } of reports) {
    const row = (how: string, score: DetectorScore) => [
      name,
      how,
      score.labelled,
      score.detected,
      fixed(score.precision, 2),
      fixed(score.recall, 2),
      `${microsText(score.delayP50Micros)} / ${microsText(score.delayP99Micros)}`,
      microsText(score.leadP50Micros),
      score.samples,
      formatMicros(detectorCpuMicrosPerSample),
    ];
    table.push(row('every sample', detector), row('adaptive', detectorAdaptive));
  }
  return `Detector, against bursts labelled from the whole recording\n${table.toString()}`;
}

const plainTable = (head: string[]) => new Table({ head, style: { head: [], border: [] } });
const NONE = '-';
const fixed = (value: number | undefined, digits: number): string => value?.toFixed(digits) ?? NONE;
const bytesText = (value: number | undefined): string => (value === undefined ? NONE : formatBytes(Math.round(value)));

function microsText(value: number | undefined): string {
  if (value === undefined) return NONE;
  return value < 0 ? `-${formatMicros(-value)}` : formatMicros(value);
}
