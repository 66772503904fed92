/** Reads a drive into a model. */
import { DriveModel } from './data/drive-model.ts';
import { type OpenStreams, readLines } from './read-lines.ts';

export interface Loading {
  /** Called now and then, with what has been read. */
  readonly onProgress: (model: DriveModel, readBytes: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Where a clock was put right in the middle of the drive, it is read once more with what the clocks know then.
 * @throws what reading throws, and AbortError.
 */
export async function loadDrive(open: OpenStreams, { onProgress, signal }: Loading): Promise<DriveModel> {
  const readInto = async (model: DriveModel): Promise<DriveModel> => {
    await readLines(
      await open(),
      signal,
      (line) => model.ingest(line),
      (readBytes) => onProgress(model, readBytes),
    );
    return model;
  };
  const first = await readInto(new DriveModel());
  if (!first.clocksLearned) return first;
  const second = await readInto(new DriveModel(first.clocks));
  second.clocksLearned = false;
  return second;
}
