import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { configCheckCommand, configSchemaCommand, configShowCommand } from '../../../src/commands/config.ts';
import type { CommandIo } from '../../../src/commands/io.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { configJsonSchema, configReference, eachKey } from '../../../src/config/reference.ts';

/** Renew it with `memtide config schema > test/golden/config/reference.txt`, and read the difference. */
const GOLDEN = new URL('../../../../test/golden/config/reference.txt', import.meta.url);

test('the reference is the one that was reviewed', () => {
  assert.equal(configReference(80), readFileSync(GOLDEN, 'utf8'));
});

test('every key has a description that is a sentence', () => {
  for (const { path, node } of eachKey(configJsonSchema())) {
    assert.match(node.description ?? '', /^\S.{10,}\S$/s, path);
  }
});

test('every number has its unit in its name, or is a bare count', () => {
  const bare = [
    'port',
    'nice',
    'cpu',
    'weight',
    'event_channel_cpu',
    'fifo_priority',
    'balloon_priority',
    'stuck_after_misses',
    'miss_target',
  ];
  for (const { path, key, node } of eachKey(configJsonSchema())) {
    if (node.type !== 'integer' && node.type !== 'number') continue;
    assert.ok(bare.includes(key) || /_(mib|kib|hz|ms|us|s)$/.test(key), path);
  }
});

test('no line is wider than it was asked to be, unless one word or the accepted form is', () => {
  for (const line of configReference(60).split('\n')) {
    if (line.startsWith('    ')) assert.ok(line.length <= 60 || !line.trim().includes(' '), line);
  }
});

function io(): CommandIo & { text(): string } {
  let text = '';
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  const signal = new AbortController().signal;
  return { stdout, stderr: stdout, env: {}, cwd: '/', signal, interactive: false, columns: 80, text: () => text };
}

test('memtide config schema prints the table, and with --json a JSON Schema', async () => {
  const table = io();
  assert.equal(await configSchemaCommand({}, table), 0);
  assert.equal(table.text(), configReference(80));
  const json = io();
  await configSchemaCommand({ json: true }, json);
  const schema = JSON.parse(json.text());
  assert.equal(schema.properties.pressure.properties.sample_hz.maximum, 100);
  assert.equal(schema.required, undefined, 'nothing at the top is required');
});

test('memtide config show prints what can be used as a file', async () => {
  const shown = io();
  assert.equal(await configShowCommand({}, shown), 0);
  assert.deepEqual(parseConfig(shown.text(), 'shown'), parseConfig('{}', 'empty'));
});

test('memtide config check refuses with the error that names the file', async () => {
  await assert.rejects(configCheckCommand({ file: 'nowhere.json' }, io()), /\/nowhere\.json[\s\S]*no such file/);
});
