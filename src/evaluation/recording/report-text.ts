import { formatBytes, formatMicros } from '../../units.ts';
import { alignedTable } from '../bench/text-table.ts';
import type { Characteristics } from './characterise.ts';
import type { Provenance } from './format.ts';
import type { DetectorScore } from './score.ts';

/** What is told of one recording; also what `--json` prints. */
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

/** A figure and how it reads for one recording. */
type Line = readonly [label: string, cell: (report: RecordingReport) => string];

/**
 * The figures of recordings for people: a line a figure, a column a recording, as many side by side as fit. Pure.
 * @param columns of the terminal. One recording alone is never broken, and takes some 50.
 */
export function recordingsText(reports: readonly RecordingReport[], columns: number): string {
  const sources = reports.map(({ name, provenance, truncated }) => {
    const notes = [provenance?.command ?? 'plain CSV, no provenance', ...(truncated ? ['last line cut off'] : [])];
    return `${name}: ${notes.join('; ')}\n`;
  });
  const bursts = `Bursts\n${sideBySide(BURST_LINES, reports, columns)}\n\n${BURST_NOTES}`;
  const detector = `Detector: reading every sample / at the adaptive rate\n${sideBySide(DETECTOR_LINES, reports, columns)}`;
  return `${sources.join('')}\n${bursts}\n\n${detector}\n\n${DETECTOR_NOTES}\n`;
}

const BURST_LINES: readonly Line[] = [
  ['duration', ({ characteristics }) => `${characteristics.durationSeconds.toFixed(1)} s`],
  ['peak', ({ characteristics }) => formatBytes(characteristics.peakBytes)],
  ['peak / mean', ({ characteristics }) => fixed(characteristics.peakToMean, 2)],
  ['rise in 10 ms', (report) => riseRate(report, 0)],
  ['rise in 100 ms', (report) => riseRate(report, 1)],
  ['rise in 1 s', (report) => riseRate(report, 2)],
  ['bursts', ({ characteristics }) => String(characteristics.bursts)],
  [
    'size of a burst',
    ({ characteristics: { burstRiseP50Bytes, burstRiseMaxBytes } }) =>
      `${bytesText(burstRiseP50Bytes)} / ${bytesText(burstRiseMaxBytes)}`,
  ],
  [
    'length of a burst',
    ({ characteristics: { burstDurationP50Seconds, burstDurationP99Seconds } }) =>
      `${fixed(burstDurationP50Seconds, 2)} / ${fixed(burstDurationP99Seconds, 2)} s`,
  ],
  ['gaps, CV', ({ characteristics }) => fixed(characteristics.gapVariation, 2)],
  ['dispersion', ({ characteristics }) => fixed(characteristics.dispersionIndex, 1)],
];
const BURST_NOTES = `Rises are per second, where memory rose, p50 / p99. Size is p50 / largest,
length p50 / p99, CV the coefficient of variation of the gaps between bursts.`;

const DETECTOR_LINES: readonly Line[] = [
  ['labelled', ({ detector }) => String(detector.labelled)],
  ['detected', both(({ detected }) => String(detected))],
  ['precision', both(({ precision }) => fixed(precision, 2))],
  ['recall', both(({ recall }) => fixed(recall, 2))],
  ['delay p50', both(({ delayP50Micros }) => microsText(delayP50Micros))],
  ['delay p99', both(({ delayP99Micros }) => microsText(delayP99Micros))],
  ['lead p50', both(({ leadP50Micros }) => microsText(leadP50Micros))],
  ['samples', both(({ samples }) => String(samples))],
  ['CPU a sample', ({ detectorCpuMicrosPerSample }) => formatMicros(detectorCpuMicrosPerSample)],
];
const DETECTOR_NOTES = `Bursts are labelled from the whole recording. Delay is from onset to detection,
lead from detection to their peak.`;

function sideBySide(lines: readonly Line[], reports: readonly RecordingReport[], columns: number): string {
  const table = (some: readonly RecordingReport[]): string =>
    alignedTable([['', ...some.map(({ name }) => name)], ...lines.map(([label, cell]) => [label, ...some.map(cell)])]);
  const blocks: RecordingReport[][] = [];
  for (const report of reports) {
    const last = blocks.at(-1);
    if (last && widest(table([...last, report])) <= columns) last.push(report);
    else blocks.push([report]);
  }
  return blocks.map(table).join('\n\n');
}

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

function both(cell: (score: DetectorScore) => string): Line[1] {
  return ({ detector, detectorAdaptive }) => `${cell(detector)} / ${cell(detectorAdaptive)}`;
}

function riseRate({ characteristics }: RecordingReport, at: number): string {
  const rate = characteristics.riseRates[at];
  return `${bytesText(rate?.p50BytesPerSecond)} / ${bytesText(rate?.p99BytesPerSecond)}`;
}

const NONE = '-';
const fixed = (value: number | undefined, digits: number): string => value?.toFixed(digits) ?? NONE;
const bytesText = (value: number | undefined): string => (value === undefined ? NONE : formatBytes(Math.round(value)));

function microsText(value: number | undefined): string {
  if (value === undefined) return NONE;
  return value < 0 ? `-${formatMicros(-value)}` : formatMicros(value);
}
