/** Reads a drive into a model, in slices, so that the page draws and answers while hours are read. */
import { DriveModel } from './data/drive-model.ts';
import { LineSplitter } from './data/lines.ts';

/** Longer than this at once would be felt. */
const SLICE_MILLIS = 12;
/** Lines between two looks at the clock. */
const LINES_A_LOOK = 64;

export interface Loading {
  /** Called now and then, with what has been read. */
  readonly onProgress: (model: DriveModel, readBytes: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Reads streams one after the other. Where a clock was put right in the middle of the drive, it is read once more with what
 * the clocks know then.
 * @param open gives the streams; called again for a second reading.
 * @throws what reading throws, and AbortError.
 */
export async function loadDrive(
  open: () => Promise<ReadonlyArray<ReadableStream<Uint8Array>>>,
  loading: Loading,
): Promise<DriveModel> {
  const first = new DriveModel();
  await readAll(await open(), first, loading);
  if (!first.clocksLearned) return first;
  const second = new DriveModel(first.clocks);
  await readAll(await open(), second, loading);
  second.clocksLearned = false;
  return second;
}

async function readAll(
  streams: ReadonlyArray<ReadableStream<Uint8Array>>,
  model: DriveModel,
  { onProgress, signal }: Loading,
): Promise<void> {
  let readBytes = 0;
  let sliceStart = performance.now();
  let lines = 0;
  const breathe = async (): Promise<void> => {
    onProgress(model, readBytes);
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
          model.ingest(line);
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
