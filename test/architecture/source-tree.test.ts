import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { findCycle, importedFile, importsOf, repositoryRoot } from './source-tree.ts';

const importsIn = (text: string) => importsOf({ name: 'src/a.ts', text });

test('every form of import is seen', () => {
  const text = [
    "import fs from 'node:fs';",
    "import './side-effect.ts';",
    "import type { A } from './type.ts';",
    "import { a, type B } from './named.ts';",
    "import * as all from './all.ts';",
    'import {',
    '  one,',
    '  two,',
    "} from './long.ts';",
    "export { three } from './three.ts';",
    "export type { Four } from './four.ts';",
    "export * from './five.ts';",
    "const lazy = await import('./lazy.ts');",
    "type Eight = import('./eight.ts').Eight;",
    "new Worker(new URL('./worker.js', import.meta.url));",
    'export const last = 1;',
    'export { last as final };',
    "export const words = ['import', 'from'];",
  ].join('\n');
  assert.deepEqual(importsIn(text), [
    'node:fs',
    './side-effect.ts',
    './type.ts',
    './named.ts',
    './all.ts',
    './long.ts',
    './three.ts',
    './four.ts',
    './five.ts',
    './lazy.ts',
    './eight.ts',
    './worker.js',
  ]);
});

test('an import in a comment is none', () => {
  assert.deepEqual(
    importsIn("/**\nimport { a } from './a.ts';\n */\n// import('./b.ts')\nconst c = 1; // import(d)"),
    [],
  );
});

test('an import that cannot be followed is an error, not a gap', () => {
  assert.throws(() => importsIn('await import(name);'), /import\(name\) cannot be followed/);
  assert.deepEqual(importsIn("const name: string = 'epoll';\nawait import(name);"), ['epoll']);
  assert.throws(() => importsIn('import { a } from "./double-quotes.ts";'), /0 can be read/);
});

test('a specifier names a file of the repository, or none', () => {
  assert.equal(importedFile('src/board/gpio.ts', '../errors.ts'), 'src/errors.ts');
  assert.equal(importedFile('src/board/gpio.ts', './worker.js'), 'src/board/worker.ts');
  assert.equal(importedFile('src/board/gpio.ts', 'zod'), undefined);
});

test('a cycle is found with its way round', () => {
  const cyclic = new Map([
    ['a', ['b', 'c']],
    ['b', ['d']],
    ['c', ['b']],
    ['d', ['c']],
  ]);
  assert.deepEqual(findCycle(cyclic), ['b', 'd', 'c', 'b']);
  cyclic.set('d', []);
  assert.equal(findCycle(cyclic), undefined);
});

test('the repository is found from a folder inside it and from a compiled copy of it', (t) => {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-architecture-')));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const repository = path.join(folder, 'repository');
  const copy = path.join(folder, 'copy');
  fs.mkdirSync(path.join(repository, 'src', 'deep'), { recursive: true });
  fs.mkdirSync(path.join(copy, 'dist', 'test'), { recursive: true });
  for (const root of [repository, copy]) fs.writeFileSync(path.join(root, 'package.json'), '{ "name": "memtide" }');
  fs.symlinkSync(path.join(repository, 'src'), path.join(copy, 'src-link'));
  assert.equal(repositoryRoot([path.join(repository, 'src', 'deep')]), repository);
  assert.equal(repositoryRoot([path.join(copy, 'dist', 'test')]), repository);
  assert.throws(() => repositoryRoot([folder]), /no memtide repository/);
});
