/** A folder for the logs of each run, named after when it began; the last few are kept. */
import fs from 'node:fs';
import path from 'node:path';

const KEPT = 5;

/** Makes the folder of a new run below `runs`, and removes the oldest ones. */
export function keepLast(runs: string): string {
  const folder = path.join(runs, new Date().toISOString().slice(0, 19).replaceAll(':', ''));
  fs.mkdirSync(folder, { recursive: true });
  for (const old of runFolders(runs).slice(0, -KEPT)) fs.rmSync(old, { recursive: true, force: true });
  return folder;
}

/** Oldest first. */
export function runFolders(runs: string): string[] {
  if (!fs.existsSync(runs)) return [];
  return fs
    .readdirSync(runs)
    .sort()
    .map((name) => path.join(runs, name));
}
