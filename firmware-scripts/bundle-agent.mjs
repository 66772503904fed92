/**
 * Makes dist/bin: the agent in few files, because every module that Node loads by itself stays in memory with its source,
 * its scope and its records, and an agent runs for months. See src/decisions/0007-the-agent-ships-as-a-bundle.md.
 *
 * Bundled are the command line's entry, `memtide agent` and its threads. The other commands are left where the compiler
 * puts them, in dist/src, and so are the errors, of which both sides must know one class.
 */
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { noticesOf } from './notices.mjs';

const out = 'dist/bin';
const main = path.resolve('src/main.ts');
const errors = path.resolve('src/errors.ts');

/** @type {import('esbuild').Plugin} */
const restStays = {
  name: 'the rest stays in dist/src',
  setup(build) {
    build.onResolve({ filter: /^\..*\.ts$/ }, ({ path: specifier, resolveDir, importer, kind }) => {
      const file = path.resolve(resolveDir, specifier);
      const otherCommand = importer === main && kind === 'dynamic-import' && !file.endsWith('/commands/agent.ts');
      if (!otherCommand && file !== errors) return undefined;
      return { path: `../${path.relative('.', file).replace(/\.ts$/, '.js')}`, external: true };
    });
  },
};

/** @type {import('esbuild').BuildOptions} */
const common = {
  outdir: out,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // Blanks and comments would be kept as long as the code; names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  sourcemap: 'linked',
  sourcesContent: false,
  metafile: true,
  legalComments: 'none', // all licences in one file, below
  // Compiled for the machine that installs them, or not installed at all.
  external: ['koffi', 'onoff', 'i2c-bus', 'epoll'],
  // What MQTT.js brings along for browsers, and Node has: its readable-stream is a copy of Node's streams.
  alias: { 'readable-stream': 'node:stream', 'worker-timers': 'node:timers' },
  // Bundled CommonJS packages require Node's own modules.
  banner: { js: "import{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url);" },
};

fs.rmSync(out, { recursive: true, force: true });
const results = await Promise.all([
  // What is loaded when it is wanted stays apart: aedes, TLS, commands over MQTT, and each agent's own half.
  build({ ...common, splitting: true, plugins: [restStays], entryPoints: { memtide: 'src/main.ts' } }),
  // Threads share nothing with the main one, so each is one file.
  build({ ...common, entryPoints: ['src/coordination/plane-worker.ts'], outbase: 'src/coordination' }),
  build({ ...common, entryPoints: ['src/config/load-worker.ts'], outbase: 'src/config' }),
  build({ ...common, entryPoints: ['src/xen/xenstore/device-worker.ts'], outbase: 'src/xen/xenstore' }),
]);

fs.writeFileSync(path.join(out, 'LICENSES.txt'), noticesOf(results));
