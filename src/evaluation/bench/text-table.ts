/** Columns of text, aligned: the first to the left, the next to the right, without borders. */

const GAP = '  ';
const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

/** Without the escape sequences of colours, which take no room. */
const widthOf = (cell: string): number => cell.replace(ESCAPES, '').length;

/** @param numbers how many columns behind the first are aligned to the right; all by default. */
export function alignedTable(rows: ReadonlyArray<readonly string[]>, numbers = Number.POSITIVE_INFINITY): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, widthOf(cell));
  }
  return rows
    .map((row) =>
      row
        .map((cell, at) => {
          const room = ' '.repeat(widths[at]! - widthOf(cell));
          return at > 0 && at <= numbers ? room + cell : cell + room;
        })
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}
