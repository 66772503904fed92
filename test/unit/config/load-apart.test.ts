import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';
import { loadConfigApart } from '../../../src/config/load-apart.ts';
import { EXIT, MemtideError } from '../../../src/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'memtide-config-apart-'));
after(() => rmSync(folder, { recursive: true }));
const fileWith = (text: string): string => {
  const file = join(folder, 'memtide.json');
  writeFileSync(file, text);
  return file;
};

/** What `loadConfig` throws for the same file, and what comes out of the thread. */
async function bothErrors(path: string): Promise<[here: MemtideError, apart: MemtideError]> {
  const thrown: unknown[] = [];
  try {
    loadConfig(path);
  } catch (error) {
    thrown.push(error);
  }
  await loadConfigApart(path).catch((error: unknown) => thrown.push(error));
  const [here, apart] = thrown;
  assert.ok(here instanceof MemtideError && apart instanceof MemtideError, String(apart));
  return [here, apart];
}

test('a configuration read in a thread of its own is the same, and as frozen', async () => {
  const file = fileWith('{"vehicle": "car-7", "pressure": {"sample_hz": 5}}');
  const config = await loadConfigApart(file);
  assert.deepEqual(config, loadConfig(file));
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.domains[0]));
});

test('without a file it gives the defaults', async () => {
  assert.deepEqual(await loadConfigApart(undefined), loadConfig(undefined));
});

for (const [what, path] of [
  ['no JSON', () => fileWith('{"vehicle": }')],
  ['wrong keys', () => fileWith('{"vehicel": "car-7", "pressure": {"sample_hz": "fast"}}')],
  ['no file', () => join(folder, 'absent.json')],
  ['a folder', () => folder],
] as const) {
  test(`${what}: the message and the exit code are those of loadConfig`, async () => {
    const [here, apart] = await bothErrors(path());
    assert.equal(apart.message, here.message);
    assert.equal(apart.exitCode, here.exitCode);
    assert.equal(apart.exitCode, EXIT.config);
    assert.equal((apart.cause as Error | undefined)?.message, (here.cause as Error | undefined)?.message);
  });
}
