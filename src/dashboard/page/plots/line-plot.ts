/** One line for each domain: the rise rate, and pressure. */
import type uPlot from 'uplot';
import { patienceMillis } from '../data/silences.ts';
import type { Table } from '../data/table.ts';
import type { Scene } from '../scene.ts';
import { domainColour, type Theme } from '../theme.ts';
import { drawMarks, drawSilences } from './overlays.ts';
import type { PlotContext, ScenePlot } from './scene-plot.ts';
import { TimePlot } from './time-plot.ts';

/** A line to be drawn: a column of a table. */
export interface Line {
  readonly name: string;
  readonly table: Table<never>;
  readonly values: Float64Array;
  readonly colour: string;
  readonly dashed?: true;
  /** Rows further apart than this are not joined. */
  readonly patienceMillis: number;
}

export interface LinePlotOptions {
  readonly height: number;
  readonly showsTimes: boolean;
  readonly lines: (scene: Scene) => Line[];
  readonly range: (min: number, max: number) => [number, number];
  readonly axis: Pick<uPlot.Axis, 'values' | 'splits' | 'space'>;
}

export class LinePlot implements ScenePlot {
  readonly #context: PlotContext;
  readonly #options: LinePlotOptions;
  #made = '';
  #plot: TimePlot | undefined;
  #scene: Scene | undefined;

  constructor(context: PlotContext, options: LinePlotOptions) {
    this.#context = context;
    this.#options = options;
  }

  show(scene: Scene): void {
    this.#scene = scene;
    const lines = this.#options.lines(scene);
    this.#remake(lines, scene.theme);
    this.#plot!.show(scene.window, alignedLines(lines, scene, this.#plot!.buckets));
  }

  destroy(): void {
    this.#plot?.destroy();
  }

  #remake(lines: readonly Line[], theme: Theme): void {
    const made = JSON.stringify(lines.map(({ name, colour, dashed }) => [name, colour, dashed]));
    if (made === this.#made) return;
    this.#made = made;
    this.#plot?.destroy();
    const { height, showsTimes, range, axis } = this.#options;
    this.#plot = new TimePlot({
      ...this.#context,
      height,
      theme,
      showsTimes,
      series: lines.map(({ colour, dashed }) => ({
        stroke: colour,
        width: 1.5,
        points: { show: false },
        spanGaps: false,
        ...(dashed ? { dash: [4, 3] } : {}),
      })),
      scale: { range: (_, min, max) => range(min ?? 0, max ?? 0) },
      axis,
      above: (plot) => {
        drawSilences(plot, this.#scene!.silences, theme, false);
        drawMarks(plot, this.#scene!.marks, theme, false);
      },
    });
    this.#context.onMade(this.#plot.plot);
  }
}

/** All lines on common times: where one has no reading and another has, it is absent (`undefined` joins, `null` parts). */
function alignedLines(lines: readonly Line[], { window }: Scene, buckets: number): uPlot.AlignedData {
  const points = new Map<number, (number | null)[]>();
  const silences = lines.map(({ table, values, patienceMillis: patience }, line) => {
    const { times } = table;
    const found: [fromMillis: number, toMillis: number][] = [];
    for (const row of table.rowsToShow(window.fromMillis, window.toMillis, buckets)) {
      const [time, before] = [times[row]!, times[row - 1] ?? Number.NaN];
      if (time - before > patience) {
        found.push([before, time]);
        point(points, before + 1, line, null);
      }
      point(points, time, line, Number.isNaN(values[row]!) ? null : values[row]!);
    }
    return found;
  });
  const sorted = [...points].sort(([a], [b]) => a - b);
  const inSilence = (time: number, line: number): boolean =>
    silences[line]!.some(([fromMillis, toMillis]) => time > fromMillis && time < toMillis);
  return [
    sorted.map(([time]) => time),
    ...lines.map((_, line) =>
      sorted.map(([time, values]) => (values[line] === undefined && inSilence(time, line) ? null : values[line])),
    ),
  ] as uPlot.AlignedData;
}

function point(points: Map<number, (number | null)[]>, time: number, line: number, value: number | null): void {
  const at = points.get(time) ?? [];
  at[line] = value;
  points.set(time, at);
}

/** How fast what each domain leases rises and falls, in bytes a second. */
export const rateLines = ({ model, theme }: Scene): Line[] =>
  model.holders.map((domain, index) => ({
    name: domain.name,
    table: domain.alloc as Table<never>,
    values: domain.alloc.column('rate'),
    colour: domainColour(theme, index),
    patienceMillis: patienceMillis(domain),
  }));

/** PSI "some" of each domain; of the machine once, where that is all there is. "full" is dashed. */
export function pressureLines({ model, theme }: Scene): Line[] {
  const withPsi = model.holders.filter(({ psi }) => psi.length > 0);
  const shared = withPsi.every(({ scope }) => scope === 'machine');
  return (shared ? withPsi.slice(0, 1) : withPsi).flatMap((domain): Line[] => {
    const colour = shared ? theme.text : domainColour(theme, model.holders.indexOf(domain));
    const common = { table: domain.psi as Table<never>, patienceMillis: patienceMillis(domain), colour };
    const name = shared ? 'machine' : domain.name;
    return [
      { ...common, name, values: domain.psi.column('some') },
      { ...common, name, values: domain.psi.column('full'), dashed: true },
    ];
  });
}
