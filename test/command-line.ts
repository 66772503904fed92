import fs from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../src/package-root.ts';

/** The command line as it ships: what `memtide` of an installed package runs. */
export const MAIN = path.join(
  packageRoot(),
  (JSON.parse(fs.readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as { bin: { memtide: string } }).bin
    .memtide,
);
