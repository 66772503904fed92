/** Reads the lines of streams in slices, so that the page draws and answers while hours are read. */
import type { DriveLine } from '../../telemetry/drive/format.ts';
import { LineSplitter } from './data/lines.ts';

/** Gives the streams of a drive, one after the other; called again where it is read twice. */
export type OpenStreams = () => Promise<ReadonlyArray<ReadableStream<Uint8Array>>>;

/** Longer than this at once would be felt. */
const SLICE_MILLIS = 12;
/** Lines between two looks at the clock. */
const LINES_A_LOOK = 64;

/** @param onSlice called before each pause, with what has been read. @throws what reading throws, and AbortError. */
export async function readLines(
  streams: ReadonlyArray<ReadableStream<Uint8Array>>,
  signal: AbortSignal,
  onLine: (line: DriveLine) => void,
  onSlice: (readBytes: number) => void = () => {},
): Promise<void> {
  let readBytes = 0;
  let sliceStart = performance.now();
  let lines = 0;
  const breathe = async (): Promise<void> => {
    onSlice(readBytes);
    await nextTurn();
    signal.throwIfAborted();
    sliceStart = performance.now();
  };
  for (const stream of streams) {
    const splitter = new LineSplitter();
    const reader = stream.getReader();
    try {
      for (;;) {
        const { value, done } = await reader.read();
        for (const line of done ? splitter.end() : splitter.take(value)) {
          onLine(line);
          if (++lines % LINES_A_LOOK === 0 && performance.now() - sliceStart > SLICE_MILLIS) await breathe();
        }
        if (done) break;
        readBytes += value.length;
        signal.throwIfAborted();
      }
    } finally {
      reader.cancel().catch(() => {}); // what is left is not wanted
    }
  }
  await breathe();
}

/** Lets the browser draw and hear; a timer would wait for longer than there is need to. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
