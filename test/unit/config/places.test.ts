import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkConfig } from '../../../src/config/load.ts';
import { editDistance, nearest } from '../../../src/config/nearest.ts';
import { defaultRunDir } from '../../../src/config/run-dir.ts';
import { governedBytes } from '../../../src/config/total.ts';
import { mebibytes } from '../../../src/units.ts';

test('the run folder is /run for root, the session’s for a user, shared memory for a user without one', () => {
  assert.equal(
    defaultRunDir({ runIsTmpfs: true, uid: 0, xdgRuntimeDir: '/run/user/0', devShmWritable: true }),
    '/run/memtide',
  );
  assert.equal(
    defaultRunDir({ runIsTmpfs: true, uid: 7, xdgRuntimeDir: '/run/user/7/', devShmWritable: true }),
    '/run/user/7/memtide',
  );
  assert.equal(
    defaultRunDir({ runIsTmpfs: true, uid: 7, xdgRuntimeDir: undefined, devShmWritable: true }),
    '/dev/shm/memtide-7',
  );
  assert.equal(
    defaultRunDir({ runIsTmpfs: true, uid: 7, xdgRuntimeDir: 'relative', devShmWritable: true }),
    '/dev/shm/memtide-7',
  );
  assert.equal(defaultRunDir({ runIsTmpfs: true, uid: 7, devShmWritable: false }), undefined);
});

test('memory that is governed is a quarter of what is free, in whole MiB', () => {
  assert.equal(governedBytes(checkConfig({}), mebibytes(1001.5)), mebibytes(250));
  assert.equal(governedBytes(checkConfig({ total_mib: 300 }), mebibytes(301)), mebibytes(300));
});

test('budgets that do not fit, and a total that is not free, are refused with the mend', () => {
  assert.throws(
    () => governedBytes(checkConfig({}), mebibytes(400)),
    /at least 144 MiB[\s\S]*100 MiB, a quarter[\s\S]*to mend/,
  );
  assert.throws(() => governedBytes(checkConfig({ total_mib: 300 }), mebibytes(299)), /at most the 299 MiB/);
});

test('edit distance is a metric on words', () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, word, (a, b, c) => {
      assert.equal(editDistance(a, a), 0);
      assert.equal(editDistance(a, b), editDistance(b, a));
      assert.ok(editDistance(a, c) <= editDistance(a, b) + editDistance(b, c));
      assert.ok(editDistance(a, b) >= Math.abs(a.length - b.length));
    }),
  );
});

test('a word far from all candidates stands for none of them', () => {
  assert.equal(nearest('xyzzy', ['total_mib', 'mode']), undefined);
  assert.equal(nearest('m'.repeat(1_000_000), ['mode']), undefined);
  assert.equal(nearest('totalMb', ['mode', 'total_mib']), 'total_mib');
});
