import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { cached, hashOf } from '../../../firmware-scripts/emulated-board/cache.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-cache-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const put = (name: string, text: string): string => {
  const file = path.join(folder, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
  return file;
};

test('the hash changes with a content, a name and a new file, and with nothing else', () => {
  const inputs = [put('in/recipe', 'a'), path.join(folder, 'in/tree')];
  const file = put('in/tree/deep/one', '1');
  const first = hashOf(inputs);
  fs.utimesSync(file, 1, 1);
  assert.equal(hashOf(inputs), first);
  put('in/tree/deep/one', '2');
  const second = hashOf(inputs);
  assert.notEqual(second, first);
  fs.renameSync(file, path.join(folder, 'in/tree/deep/other'));
  assert.notEqual(hashOf(inputs), second);
  put('in/tree/two', '');
  assert.equal(new Set([first, second, hashOf(inputs)]).size, 3);
});

test('an entry is built once, and nothing is left of a build that failed', async () => {
  const cache = path.join(folder, 'cache');
  const key = '0123456789abcdef';
  let builds = 0;
  await assert.rejects(
    cached(cache, 'root', key, async (place) => {
      fs.writeFileSync(path.join(place, 'half'), '');
      throw new Error('no space left');
    }),
    /no space left/,
  );
  assert.deepEqual(fs.readdirSync(cache), []);
  for (let times = 0; times < 2; times++) {
    const place = await cached(cache, 'root', key, async (filling) => {
      builds++;
      fs.writeFileSync(path.join(filling, 'image'), 'whole');
    });
    assert.equal(fs.readFileSync(path.join(place, 'image'), 'utf8'), 'whole');
  }
  assert.equal(builds, 1);
});

test('of an entry the last two are kept, others are left alone', async () => {
  const cache = path.join(folder, 'few');
  for (const [at, digit] of ['1', '2', '3'].entries()) {
    const place = await cached(cache, 'app', digit.repeat(16), async () => {});
    fs.utimesSync(place, at + 1, at + 1);
  }
  await cached(cache, 'app-other', '4'.repeat(16), async () => {});
  await cached(cache, 'app', '3'.repeat(16), () => assert.fail('it is there'));
  const left = fs.readdirSync(cache).sort();
  assert.deepEqual(left, [`app-${'2'.repeat(16)}`, `app-${'3'.repeat(16)}`, `app-other-${'4'.repeat(16)}`]);
});
