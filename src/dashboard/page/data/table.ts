/**
 * Readings as columns of numbers, in the order of time: hours of them fit, and are drawn in time that the width of the plot
 * decides and not their number. Missing is NaN. Rows may come late (a backlog); they are merged in when next read.
 */

/** Rows of one block, whose extremes are known without looking at each. */
const BLOCK = 64;
const FIRST_CAPACITY = 256;

export class Table<Column extends string> {
  readonly #names: readonly Column[];
  /** Whose extremes survive when there are more rows than pixels. */
  readonly #key: number;
  /** The first is time in milliseconds. */
  #columns: Float64Array[];
  #length = 0;
  #late: number[][] = [];
  #merges = 0;
  /** For each whole block, the rows of the least and the greatest value of the key column. */
  #least = new Int32Array(16);
  #greatest = new Int32Array(16);
  #blocks = 0;

  constructor(names: readonly Column[], key: Column) {
    this.#names = names;
    this.#key = names.indexOf(key) + 1;
    this.#columns = [undefined, ...names].map(() => new Float64Array(FIRST_CAPACITY));
  }

  /** @param values a column that is left out has no value in this row. */
  append(timeMillis: number, values: Readonly<Partial<Record<Column, number>>>): void {
    const row = [timeMillis, ...this.#names.map((name) => values[name] ?? Number.NaN)];
    if (this.#length > 0 && timeMillis < this.#columns[0]![this.#length - 1]!) this.#late.push(row);
    else this.#put(row);
  }

  /** Time of the latest row, however many have come late since; -Infinity where there is none. */
  get latestMillis(): number {
    return this.#length === 0 ? Number.NEGATIVE_INFINITY : this.#columns[0]![this.#length - 1]!;
  }

  /** How often rows that came late were merged in: what was known of the rows before may be otherwise now. */
  get merges(): number {
    this.#settle();
    return this.#merges;
  }

  get length(): number {
    this.#settle();
    return this.#length;
  }

  /** The times of all rows, ascending. */
  get times(): Float64Array {
    this.#settle();
    return this.#columns[0]!.subarray(0, this.#length);
  }

  column(name: Column): Float64Array {
    this.#settle();
    return this.#columns[this.#names.indexOf(name) + 1]!.subarray(0, this.#length);
  }

  /** The last row that is not after `timeMillis`; -1 when there is none. */
  rowAt(timeMillis: number): number {
    this.#settle();
    const times = this.#columns[0]!;
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle]! <= timeMillis) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /**
   * Rows that show what there is between two times: all of them where they are few, otherwise the least and the greatest of
   * each of `buckets` spans. One more on each side, so that lines reach the edges.
   */
  rowsToShow(fromMillis: number, toMillis: number, buckets: number): number[] {
    const first = Math.max(0, this.rowAt(fromMillis));
    const last = Math.min(this.length - 1, this.rowAt(toMillis) + 1);
    if (last - first < 2 * buckets) return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const rows = [first];
    const width = (last - first + 1) / buckets;
    for (let bucket = 0; bucket < buckets; bucket++) {
      const start = Math.floor(first + bucket * width);
      const [least, greatest] = this.#extremes(start, Math.floor(first + (bucket + 1) * width));
      for (const row of least < greatest ? [least, greatest] : [greatest, least]) {
        if (row > rows[rows.length - 1]!) rows.push(row);
      }
    }
    if (last > rows[rows.length - 1]!) rows.push(last);
    return rows;
  }

  /** Rows of the least and the greatest value of the key column among `from` to `end - 1`. */
  #extremes(from: number, end: number): [least: number, greatest: number] {
    const key = this.#columns[this.#key]!;
    let [least, greatest] = [from, from];
    const look = (row: number): void => {
      if (key[row]! < key[least]! || Number.isNaN(key[least]!)) least = row;
      if (key[row]! > key[greatest]! || Number.isNaN(key[greatest]!)) greatest = row;
    };
    let row = from;
    while (row < end) {
      const block = row / BLOCK;
      if (Number.isInteger(block) && row + BLOCK <= end && block < this.#blocks) {
        look(this.#least[block]!);
        look(this.#greatest[block]!);
        row += BLOCK;
      } else look(row++);
    }
    return [least, greatest];
  }

  #put(row: readonly number[]): void {
    if (this.#length === this.#columns[0]!.length) this.#columns = this.#columns.map((column) => grown(column));
    for (let i = 0; i < row.length; i++) this.#columns[i]![this.#length] = row[i]!;
    this.#length++;
    if (this.#length % BLOCK === 0) this.#closeBlock();
  }

  #closeBlock(): void {
    const block = this.#length / BLOCK - 1;
    const [least, greatest] = this.#extremes(block * BLOCK, this.#length);
    if (block >= this.#least.length) {
      this.#least = grown(this.#least);
      this.#greatest = grown(this.#greatest);
    }
    this.#least[block] = least;
    this.#greatest[block] = greatest;
    this.#blocks = block + 1;
  }

  /** Merges rows that came late with those that are later than the first of them. */
  #settle(): void {
    if (this.#late.length === 0) return;
    const late = this.#late.sort((a, b) => a[0]! - b[0]!);
    this.#late = [];
    this.#merges++;
    const keep = this.rowAt(late[0]![0]!) + 1;
    const rest: number[][] = [];
    for (let row = keep; row < this.#length; row++) rest.push(this.#columns.map((column) => column[row]!));
    this.#length = keep;
    this.#blocks = Math.floor(keep / BLOCK);
    for (let i = 0, j = 0; i < late.length || j < rest.length; ) {
      const takeLate = j >= rest.length || (i < late.length && late[i]![0]! < rest[j]![0]!);
      this.#put(takeLate ? late[i++]! : rest[j++]!);
    }
  }
}

function grown<Numbers extends Float64Array | Int32Array>(numbers: Numbers): Numbers {
  const larger = new (numbers.constructor as new (length: number) => Numbers)(numbers.length * 2);
  larger.set(numbers);
  return larger;
}
