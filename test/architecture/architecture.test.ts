/**
 * The rules that keep the source readable, held by a test: which way imports point, who reads the process, how long a
 * file may grow and what it may be called. A rule that is wrong is changed here, with its reason.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { findCycle, importedFile, importsOf, readSources, repositoryRoot, withoutComments } from './source-tree.ts';

const root = repositoryRoot();
const sources = readSources(root, 'src', ['.ts']);

/** From the ground up. An import goes down or stays on its floor; a floor's rooms form no cycle. */
const FLOORS: ReadonlyArray<readonly string[]> = [
  ['units', 'clock', 'errors', 'package-root'],
  ['native', 'config', 'records'],
  ['platforms', 'control', 'pressure', 'policy', 'latency', 'xen'],
  ['coordination', 'telemetry', 'board'],
  ['agent', 'client'],
  ['demo', 'evaluation', 'dashboard', 'doctor'],
  ['commands'],
  ['main', 'index'],
];
const FLOOR_OF = new Map(FLOORS.flatMap((rooms, floor) => rooms.map((room) => [room, floor] as const)));

/** `src/board/gpio.ts` is in `board`; `src/units.ts` is a room of its own. */
const roomOf = (file: string): string => file.split('/')[1]!.replace(/\.ts$/, '');

const edges = sources.flatMap((file) =>
  importsOf(file)
    .map((specifier) => importedFile(file.name, specifier))
    .filter((target) => target !== undefined)
    .map((target) => ({ from: file.name, to: target })),
);

function graphOf(pairs: ReadonlyArray<{ from: string; to: string }>): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const { from, to } of pairs) graph.set(from, (graph.get(from) ?? new Set()).add(to));
  return graph;
}

test('there is source to check', () => {
  assert.ok(sources.length > 10, `${sources.length} files in ${root}/src`);
  assert.ok(edges.length > sources.length / 2, `${edges.length} imports`);
});

test('every import of an own file names a file that exists', () => {
  const missing = edges.filter(({ to }) => !fs.existsSync(path.join(root, to)));
  assert.deepEqual(missing, []);
});

test('every file is in a known room', () => {
  const unknown = sources.map(({ name }) => name).filter((name) => !FLOOR_OF.has(roomOf(name)));
  assert.deepEqual(unknown, []);
});

test('imports point down', () => {
  const upward = edges.filter(({ from, to }) => (FLOOR_OF.get(roomOf(to)) ?? 0) > (FLOOR_OF.get(roomOf(from)) ?? 0));
  assert.deepEqual(upward, []);
});

test('files import each other in no cycle', () => {
  assert.equal(findCycle(graphOf(edges)), undefined);
});

test('rooms depend on each other in no cycle', () => {
  const between = edges
    .map(({ from, to }) => ({ from: roomOf(from), to: roomOf(to) }))
    .filter(({ from, to }) => from !== to);
  assert.equal(findCycle(graphOf(between)), undefined);
});

/** `file:line` of every place in the source outside `exempt` where `pattern` matches code. */
function places(pattern: RegExp, exempt: (name: string) => boolean): string[] {
  return sources
    .filter(({ name }) => !exempt(name))
    .flatMap(({ name, text }) =>
      withoutComments(text)
        .split('\n')
        .flatMap((line, index) => (pattern.test(line) ? [`${name}:${index + 1}`] : [])),
    );
}

// index.ts is the entry of applications, whose domain and run directory `memtide run` hands over in the environment.
const ENTRIES = ['src/main.ts', 'src/index.ts'];

test('only the entries read the arguments and the environment of the process', () => {
  const reads =
    /\bprocess\s*(?:\?\.|\.)\s*(?:argv|env)\b|\bprocess\[|\{[^}]*\b(?:argv|env)\b[^}]*\}\s*(?:=\s*process\b|from 'node:process')/;
  assert.deepEqual(
    places(reads, (name) => ENTRIES.includes(name)),
    [],
  );
});

test('only main.ts and the commands write to the console', () => {
  assert.deepEqual(
    places(/\bconsole\s*\./, (name) => name === 'src/main.ts' || name.startsWith('src/commands/')),
    [],
  );
});

test('no file is longer than 400 lines', () => {
  const files = readSources(root, 'src', ['.ts', '.js', '.mjs', '.css', '.html']);
  const long = files.map(({ name, text }) => [name, text.split('\n').length - 1] as const).filter(([, n]) => n > 400);
  assert.deepEqual(long, []);
});

test('no file is named after having no job', () => {
  const vague = /^(?:utils?|helpers?|managers?|misc|common)$/;
  const files = [...readSources(root, 'src', ['']), ...readSources(root, 'test', [''])];
  const named = files.map(({ name }) => name).filter((name) => name.split(/[/.-]/).some((word) => vague.test(word)));
  assert.deepEqual(named, []);
});

test('the top level of the repository holds what it must and nothing else', () => {
  const known = new Set([
    ...['package.json', 'package-lock.json', 'tsconfig.json', 'biome.json', '.gitignore', '.ci'],
    ...['README.md', 'LICENSE', 'CHANGELOG.md'],
    ...['src', 'boards', 'firmware-scripts', 'test'],
    // Not tracked: made by git, npm and the compiler.
    ...['.git', 'node_modules', 'dist'],
  ]);
  const strangers = fs.readdirSync(root).filter((name) => !known.has(name) && !name.endsWith('.log'));
  assert.deepEqual(strangers, []);
});
