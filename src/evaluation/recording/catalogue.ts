import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../package-root.ts';
import { FILE_ENDING } from './format.ts';

export interface ShippedRecording {
  readonly name: string;
  readonly path: string;
}

/** The recordings of real applications that come with memtide, by name. */
export async function shippedRecordings(root: string = packageRoot()): Promise<ShippedRecording[]> {
  const folder = join(root, 'src/evaluation/recordings');
  const files = (await readdir(folder)).filter((file) => file.endsWith(FILE_ENDING)).sort();
  return files.map((file) => ({ name: file.slice(0, -FILE_ENDING.length), path: join(folder, file) }));
}
