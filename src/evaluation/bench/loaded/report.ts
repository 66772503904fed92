import { Ansis } from 'ansis';
import { formatBytes, formatMicros } from '../../../units.ts';
import { figureTable } from '../report.ts';
import type { Tail } from '../tails.ts';
import { alignedTable } from '../text-table.ts';
import { type ConstructRow, type LoadedResult, loadedFigures } from './result.ts';

/** `memtide bench --loaded` for people. Pure. */
export function loadedText(result: LoadedResult, { colours }: { readonly colours: boolean }): string {
  const colour = new Ansis(colours ? 1 : 0);
  const { environment: e, constructs, tiers, warnings } = result;
  const [handshake] = [...constructs.flatMap(({ handshake_loaded }) => handshake_loaded ?? [])];
  const section = (title: string, note: string, body: string): string =>
    `${colour.bold(title)}${colour.dim(note)}\n${body}`;
  const mends = new Set(constructs.flatMap(({ refused }) => refused.flatMap(({ mend }) => mend ?? [])));
  const remarks = [
    ...(e.session_groups
      ? [
          'the kernel schedules sessions as groups: a niceness counts within a session, and memtide sets the session’s too',
        ]
      : []),
    ...[...mends].map((mend) => `to mend what was refused: ${mend}`),
    ...warnings,
  ];
  const sections = [
    `${e.cpu}, ${e.cores} CPUs, ${e.arch}, Linux ${e.kernel}, Node ${e.node}; load ${e.load_1min.toFixed(2)}`,
    section(
      'Handshake',
      ` with a back end that sleeps, quiet and beside ${e.hogs} programs that keep the CPUs busy, in alternation${handshake ? ` (n ${handshake.n})` : ''}`,
      tailTable(constructs, 'handshake_quiet', 'handshake_loaded'),
    ),
    section(
      'Tier 2',
      ` ${tiers[0] ? formatBytes(tiers[0].bytes) : ''} from a donor; the application and the donor are ordinary programs`,
      tailTable(constructs, 'tier2_quiet', 'tier2_loaded'),
    ),
    section(
      'Tiers',
      ' under the default constructs',
      alignedTable([head(''), ...tiers.map((row) => [row.case, ...cells(row.quiet), ...cells(row.loaded)])]),
    ),
    section('What memtide promises', '', figureTable(loadedFigures(result), colour)),
    ...(remarks.length > 0 ? [section('To be kept in mind', '', remarks.map((line) => `! ${line}`).join('\n'))] : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

type TailKey = 'handshake_quiet' | 'handshake_loaded' | 'tier2_quiet' | 'tier2_loaded';

function tailTable(rows: readonly ConstructRow[], quiet: TailKey, loaded: TailKey): string {
  return alignedTable([
    head('construct'),
    ...rows.map((row) => [nameOf(row), ...cells(row[quiet]), ...cells(row[loaded]), refusedText(row)]),
  ]);
}

const head = (name: string): string[] => [
  name,
  ...['quiet p50', 'p99', 'p99.9', 'max'],
  ...['loaded p50', 'p99', 'p99.9', 'max'],
];

const nameOf = ({ name, is_default }: ConstructRow): string => (is_default ? `${name} (default)` : name);

const refusedText = ({ refused }: ConstructRow): string =>
  refused.map(({ wanted, refused: why }) => `${wanted} refused: ${why}`).join('; ');

const cells = (tail: Tail | undefined): string[] =>
  [tail?.p50_us, tail?.p99_us, tail?.p999_us, tail?.max_us].map((micros) =>
    micros === undefined ? '–' : formatMicros(micros),
  );
