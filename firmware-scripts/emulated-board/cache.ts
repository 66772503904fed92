/** Files that are built once for each set of inputs, below the user's cache folder. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/** Of an entry, this many are kept: the last ones used. */
const KEPT = 2;

/**
 * @param inputs files and folders whose names and contents decide; a folder counts with all that is in it.
 * @param facts what else decides.
 */
export function hashOf(inputs: readonly string[], facts: readonly string[] = []): string {
  const hash = createHash('sha256').update(JSON.stringify(facts));
  for (const input of inputs) {
    for (const file of filesBelow(input)) {
      hash.update(`${path.relative(path.dirname(input), file)}\0`).update(fs.readFileSync(file));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

function filesBelow(entry: string): string[] {
  if (!fs.statSync(entry).isDirectory()) return [entry];
  return fs
    .readdirSync(entry)
    .sort()
    .flatMap((name) => filesBelow(path.join(entry, name)));
}

/**
 * A folder that `build` has filled, once for each key. Nothing appears where it fails.
 * @returns the folder, whose files are to be read only: others may have them open.
 */
export async function cached(
  cache: string,
  name: string,
  key: string,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = path.join(cache, `${name}-${key}`);
  if (!fs.existsSync(folder)) {
    fs.mkdirSync(cache, { recursive: true });
    const filling = fs.mkdtempSync(path.join(cache, `.${name}-`));
    try {
      await build(filling);
      fs.renameSync(filling, folder);
    } catch (error) {
      fs.rmSync(filling, { recursive: true, force: true });
      if (!fs.existsSync(folder)) throw error; // else another run was faster
    }
  }
  const now = new Date();
  fs.utimesSync(folder, now, now);
  forget(cache, name);
  return folder;
}

/** A running emulator keeps the files that it has open, whatever is removed here. */
function forget(cache: string, name: string): void {
  const form = new RegExp(`^${name}-[0-9a-f]{16}$`);
  const folders = fs
    .readdirSync(cache)
    .filter((entry) => form.test(entry))
    .map((entry) => path.join(cache, entry))
    .sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs);
  for (const old of folders.slice(KEPT)) fs.rmSync(old, { recursive: true, force: true });
}
