/**
 * Makes dist/dashboard: the page that `memtide dashboard` serves, with uPlot in it, so that nothing is asked of any other
 * machine. What only an export needs (the schema that checks every message) is a part of its own, loaded when it is wanted.
 */
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { noticesOf } from './notices.mjs';

const out = 'dist/dashboard';
const page = 'src/dashboard/page';

fs.rmSync(out, { recursive: true, force: true });
const result = await build({
  entryPoints: { app: `${page}/app.ts`, style: `${page}/style.css` },
  outdir: out,
  bundle: true,
  splitting: true,
  chunkNames: '[name]-[hash]',
  format: 'esm',
  platform: 'browser',
  target: ['chrome115', 'firefox115', 'safari16.4'],
  minify: true,
  metafile: true,
  legalComments: 'none', // all licences in one file, below
});
for (const file of ['index.html', 'icon.svg']) fs.copyFileSync(path.join(page, file), path.join(out, file));
fs.writeFileSync(path.join(out, 'LICENSES.txt'), noticesOf([result]));
