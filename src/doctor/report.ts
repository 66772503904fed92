/** The doctor's report: a text for people and JSON for programs, from the same findings. */
import { Ansis } from 'ansis';
import { formatBytes } from '../units.ts';
import { AREAS, canRun, type Finding, type Status } from './check.ts';
import type { InventoryResult } from './inventory.ts';

export interface Report {
  readonly inventory: InventoryResult;
  readonly findings: readonly Finding[];
}

const STATUSES: readonly Status[] = ['ok', 'degraded', 'missing', 'not-applicable'];

/** The report as JSON. Keys are only ever added; `schema` counts the changes that are not additions. */
export function reportJson({ inventory, findings }: Report): string {
  const report = {
    schema: 1,
    can_run: canRun(findings),
    summary: Object.fromEntries(STATUSES.map((status) => [status.replace('-', '_'), count(findings, status)])),
    inventory: inventory.ok ? inventory.inventory : { reason: inventory.reason },
    checks: findings.map(({ id, area, title, status, essential, finding, consequence, mend = [] }) => ({
      ...{ id, area: area.toLowerCase(), title, status, essential, finding },
      ...(consequence === undefined ? {} : { consequence }),
      mend,
    })),
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}

export interface TextForm {
  readonly columns: number;
  readonly colours: boolean;
}

const TITLE_COLUMNS = 36;
const MARK_MARGIN = 2;
/** What follows from a finding, and its mend, stand below its title. */
const DETAIL_MARGIN = 4;
const LEAST_COLUMNS = 40;

export function reportText({ inventory, findings }: Report, { columns, colours }: TextForm): string {
  const colour = new Ansis(colours ? 1 : 0);
  const width = Math.max(columns, LEAST_COLUMNS);
  const lines = [colour.bold(heading(inventory)), ''];
  for (const area of AREAS) {
    const inArea = findings.filter((finding) => finding.area === area);
    if (inArea.length > 0) lines.push(colour.bold(area), ...areaLines(inArea, width, colour), '');
  }
  lines.push(verdict(findings, colour));
  return `${lines.join('\n')}\n`;
}

function areaLines(findings: readonly Finding[], width: number, colour: Ansis): string[] {
  const [first] = findings;
  const nothingHere = findings.every((each) => each.status === 'not-applicable' && each.finding === first?.finding);
  if (first && nothingHere) return [`${' '.repeat(MARK_MARGIN)}${colour.dim(`– ${first.finding}`)}`];
  return findings.flatMap((finding) => findingLines(finding, width, colour));
}

function findingLines({ title, status, finding, consequence = '', mend = [] }: Finding, width: number, colour: Ansis) {
  const marks: Record<Status, string> = {
    ok: colour.green('✔'),
    degraded: colour.yellow('!'),
    missing: colour.red('✘'),
    'not-applicable': colour.dim('–'),
  };
  const quiet = status === 'not-applicable' ? colour.dim : (text: string) => text;
  const indent = ' '.repeat(DETAIL_MARGIN);
  const [start = '', ...rest] = wrap(finding, width - DETAIL_MARGIN - TITLE_COLUMNS);
  const details = [consequence, ...mend.map((step) => `→ ${step}`)].map((text) =>
    wrap(text, width - DETAIL_MARGIN - 2),
  );
  return [
    `${' '.repeat(MARK_MARGIN)}${marks[status]} ${quiet(title.padEnd(TITLE_COLUMNS) + start)}`,
    ...rest.map((line) => `${indent}${' '.repeat(TITLE_COLUMNS)}${quiet(line)}`),
    ...details.flatMap((paragraph) =>
      paragraph.map((line, index) => {
        const step = paragraph[0]?.startsWith('→');
        return `${indent}${step && index > 0 ? '  ' : ''}${step ? colour.cyan(line) : line}`;
      }),
    ),
  ];
}

function heading(result: InventoryResult): string {
  if (!result.ok) return `Unknown machine: ${result.reason}`;
  const { system, processor, processor_threads, memory_bytes, operating_system, virtualised_by } = result.inventory;
  return [
    system,
    processor && `${processor_threads ?? '?'} × ${processor}`,
    memory_bytes && formatBytes(memory_bytes),
    operating_system,
    virtualised_by && `in ${virtualised_by}`,
  ]
    .filter(Boolean)
    .join(' · ');
}

function verdict(findings: readonly Finding[], colour: Ansis): string {
  const degraded = count(findings, 'degraded') + count(findings, 'missing');
  if (!canRun(findings)) {
    const names = findings
      .filter(({ essential, status }) => essential && status === 'missing')
      .map(({ title }) => title);
    return colour.red(`memtide cannot run here: ${names.join(', ')}.`);
  }
  if (degraded === 0) return colour.green('memtide runs here with everything it can use.');
  return `memtide runs here; ${degraded} ${degraded === 1 ? 'thing' : 'things'} could be better.`;
}

const count = (findings: readonly Finding[], status: Status): number =>
  findings.filter((finding) => finding.status === status).length;

/** Lines of at most `width` characters, broken at spaces; a longer word stands alone. No lines for no text. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ').filter((each) => each !== '')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
