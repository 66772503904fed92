/**
 * The picture of the memory: one row for each holder, in one common scale, each beginning where the one above ends. What
 * one domain gains, the rows below lose: the edges move like a tide line.
 */
export interface TideRow {
  /** From left to right. */
  readonly segments: ReadonlyArray<{ readonly glyph: string; readonly bytes: number }>;
}

/**
 * One string of `width` characters for each row.
 * @param totalBytes what `width` stands for. Rows that come to more than that (figures of different moments) are cut.
 */
export function drawTide(rows: readonly TideRow[], totalBytes: number, width: number): string[] {
  const column = (bytes: number): number => Math.min(width, Math.round((bytes / totalBytes) * width));
  let before = 0;
  return rows.map(({ segments }) => {
    let line = ' '.repeat(column(before));
    for (const { glyph, bytes } of segments) {
      before += bytes;
      line += glyph.repeat(Math.max(0, column(before) - line.length));
    }
    return line.padEnd(width);
  });
}
