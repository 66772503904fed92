import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { telemetrySchemaCommand } from '../../../src/commands/telemetry.ts';
import { packageRoot } from '../../../src/package-root.ts';
import { REPORTS } from '../../../src/telemetry/topics.ts';
import { fakeIo } from '../../fakes/io.ts';

interface Definition {
  readonly properties: Record<string, { readonly description?: string }>;
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
}
interface WireDocument {
  readonly $defs: Record<string, Definition>;
}

const readJson = (...names: string[]): WireDocument =>
  JSON.parse(readFileSync(path.join(packageRoot(), ...names), 'utf8'));

/** Without what is said to people. */
const bare = (schema: unknown): unknown =>
  JSON.parse(JSON.stringify(schema, (key, value) => (key === 'description' ? undefined : value)));

test('the schema that ships is the one that the program reads by', async () => {
  const io = fakeIo();
  assert.equal(await telemetrySchemaCommand(io), 0);
  const remedy = 'memtide telemetry schema > src/telemetry/wire-schema.json, and npm run format';
  assert.deepEqual(JSON.parse(io.written()), readJson('src/telemetry/wire-schema.json'), remedy);
});

test('every report, command and answer is described; messages may have fields of later versions, commands may not', () => {
  const { $defs } = readJson('src/telemetry/wire-schema.json');
  const verbs = ['mode', 'limits', 'room', 'probe', 'mark', 'reserve'].map((verb) => `cmd/${verb}`);
  assert.deepEqual(Object.keys($defs), [...REPORTS, 'cmd', ...verbs, 'rsp', 'sink/watermark']);
  for (const report of REPORTS) assert.deepEqual($defs[report]!.additionalProperties, {}, report);
  for (const verb of verbs) {
    assert.equal($defs[verb]!.additionalProperties, false, verb);
    assert.ok($defs[verb]!.required?.includes('txn'), verb);
  }
  assert.match($defs['tele/mem']!.properties.mono_ns?.description ?? '', /decimal digits/);
});

test('within version 1 messages only gain fields that may be absent: readers of its first day read them still', () => {
  const now = readJson('src/telemetry/wire-schema.json').$defs;
  const then = readJson('test/golden/wire/version-1.json').$defs;
  for (const [name, old] of Object.entries(then)) {
    const present = now[name];
    assert.ok(present, name);
    assert.deepEqual(present.required, old.required, `${name}: what is required`);
    for (const [key, schema] of Object.entries(old.properties)) {
      assert.deepEqual(bare(present.properties[key]), bare(schema), `${name}: ${key}`);
    }
  }
});
