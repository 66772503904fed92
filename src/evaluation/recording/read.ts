import { readFile, stat } from 'node:fs/promises';
import { EXIT, errorCode, errorMessage, MemtideError } from '../../errors.ts';
import { formatBytes, MIB } from '../../units.ts';
import type { Recording } from './format.ts';
import { parseRecording } from './parse.ts';

/** A day at 100 Hz is 170 MiB; the text is held in memory while it is read. */
const LARGEST_FILE_BYTES = 256 * MIB;

/** @throws MemtideError when the file cannot be read, is too large, or is no recording. */
export async function readRecording(path: string): Promise<Recording> {
  return parseRecording(await readText(path), path);
}

async function readText(path: string): Promise<string> {
  const failed = (actual: string, remedy: string, cause?: unknown) =>
    new MemtideError({
      operation: 'read the recording',
      object: path,
      expected: `a file of at most ${formatBytes(LARGEST_FILE_BYTES)}`,
      actual,
      remedy,
      cause,
      exitCode: EXIT.badInput,
    });
  try {
    const facts = await stat(path);
    if (!facts.isFile()) throw failed('no regular file', 'name a file that memtide record wrote');
    if (facts.size > LARGEST_FILE_BYTES)
      throw failed(formatBytes(facts.size), 'cut it, or record with a longer interval');
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof MemtideError) throw error;
    if (errorCode(error) === 'ENOENT') {
      throw failed('no such file', 'check the name; memtide recordings lists those that come with memtide', error);
    }
    throw failed(errorMessage(error), 'check your permission to read it', error);
  }
}
