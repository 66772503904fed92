import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemtideError } from './errors.ts';

/**
 * The package's own folder: the first above this file with a package.json. The same from src/ and from dist/src, so
 * that files which the compiler does not copy are found in one place.
 */
export function packageRoot(from: string = fileURLToPath(import.meta.url)): string {
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) {
      throw new MemtideError({
        operation: "find memtide's own files",
        expected: `a package.json above ${from}`,
        remedy: 'install memtide again',
      });
    }
  }
}

export function packageVersion(root: string = packageRoot()): string {
  return String((JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: unknown }).version);
}
