/** Bytes of a drive to its lines, a piece at a time, so that the page stays usable while hours are read. */
import { type DriveLine, MAX_LINE_BYTES, parseDriveLine } from '../../../telemetry/drive/format.ts';

const TOO_LONG: DriveLine = { kind: 'bad', torn: false, reason: `more than ${MAX_LINE_BYTES} bytes` };

export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = '';
  #tooLong = false;

  /** The lines that these bytes complete, one after the other as they are asked for. */
  *take(bytes: Uint8Array): Generator<DriveLine> {
    yield* this.#lines(this.#rest + this.#decoder.decode(bytes, { stream: true }));
  }

  /** A last line without its newline: whole, or cut off. */
  *end(): Generator<DriveLine> {
    yield* this.#lines(`${this.#rest}${this.#decoder.decode()}\n`);
  }

  *#lines(text: string): Generator<DriveLine> {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      if (this.#tooLong || end - start > MAX_LINE_BYTES) yield TOO_LONG;
      else if (end > start) yield parseDriveLine(text.slice(start, end));
      this.#tooLong = false;
      start = end + 1;
    }
    this.#rest = text.slice(start);
    if (this.#rest.length <= MAX_LINE_BYTES) return;
    this.#rest = '';
    this.#tooLong = true;
  }
}
