/** A scatter plot for a terminal: marks on a grid, y logarithmic. Pure. */

export interface PlotPoint {
  readonly x: number;
  /** Above 0; 'above' for what no scale has room for: it is drawn on a line of its own over the plot. */
  readonly y: number | 'above';
  readonly mark: string;
}

/** A level across the whole plot. */
export interface PlotLevel {
  readonly y: number;
  readonly line: string;
  readonly name: string;
}

export interface Plot {
  readonly points: readonly PlotPoint[];
  readonly levels: readonly PlotLevel[];
  readonly width: number;
  readonly height: number;
  readonly formatX: (x: number) => string;
  readonly formatY: (y: number) => string;
  /** What the line over the plot is called. */
  readonly above: string;
}

/** Points drawn later hide earlier ones in the same place. @returns lines without a newline at the end. */
export function textPlot({ points, levels, width, height, formatX, formatY, above }: Plot): string {
  const ys = [...points.flatMap(({ y }) => (y === 'above' ? [] : [y])), ...levels.map(({ y }) => y)];
  if (ys.length === 0) return '';
  const low = Math.log(Math.min(...ys));
  const high = Math.log(Math.max(...ys));
  const right = Math.max(...points.map(({ x }) => x), Number.MIN_VALUE);
  const rowOf = (y: number): number =>
    high > low ? Math.round(((high - Math.log(y)) / (high - low)) * (height - 1)) : height - 1;
  const columnOf = (x: number): number => Math.round((x / right) * (width - 1));

  const grid = Array.from({ length: height }, () => new Array<string>(width).fill(' '));
  for (const { y, line } of levels) grid[rowOf(y)]!.fill(line);
  const over = new Array<string>(width).fill(' ');
  for (const { x, y, mark } of points) (y === 'above' ? over : grid[rowOf(y)]!)[columnOf(x)] = mark;

  const ticks = new Map([0, Math.floor((height - 1) / 2), height - 1].map((row) => [row, formatY(yAt(row))]));
  function yAt(row: number): number {
    return Math.exp(high - ((high - low) * row) / Math.max(1, height - 1));
  }
  const hasAbove = points.some(({ y }) => y === 'above');
  const room = Math.max(...[...ticks.values()].map((tick) => tick.length), hasAbove ? above.length : 0);
  const lineOf = (tick: string, cells: readonly string[], name = ''): string =>
    `${tick.padStart(room)} │${cells.join('')}${name && ` ${name}`}`.trimEnd();
  const ends = [formatX(0), formatX(right)] as const;
  return [
    ...(hasAbove ? [lineOf(above, over)] : []),
    ...grid.map((cells, row) => {
      const names = levels.filter(({ y }) => rowOf(y) === row).map(({ name }) => name);
      return lineOf(ticks.get(row) ?? '', cells, names.join(', '));
    }),
    `${' '.repeat(room)} └${'─'.repeat(width)}`,
    `${' '.repeat(room + 2)}${ends[0]}${ends[1].padStart(width - ends[0].length)}`,
  ].join('\n');
}
