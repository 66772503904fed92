/** A run that fails ends: nothing of the rival is left that would keep the study's program alive. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StudyBoard } from '../../../../src/evaluation/replay/xen/rival.ts';
import { qmemmanLike } from '../../../../src/evaluation/replay/xen/rivals/qmemman-like.ts';
import { bytes, MIB } from '../../../../src/units.ts';

/** In place of what brings a script into a guest: says once what the guest uses, or nothing, and stays. */
const runner = (says: string): string => `#!${process.execPath}
const net = require('node:net');
let script = '';
process.stdin.on('data', (text) => { script += text; });
process.stdin.on('end', () => {
  const [, address, port] = /tcp\\/([\\d.]+)\\/(\\d+)/.exec(script);
  const socket = net.connect(port, address, () => socket.write(${JSON.stringify(says)}));
  setInterval(() => {}, 1000);
});
`;

function board(t: TestContext, says: string): StudyBoard {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-qmemman-'));
  fs.writeFileSync(path.join(folder, 'guest-run'), runner(says), { mode: 0o755 });
  const before = process.env.PATH;
  process.env.PATH = `${folder}:${before}`;
  t.after(() => {
    process.env.PATH = before;
    fs.rmSync(folder, { recursive: true });
  });
  const sizes = { totalBytes: 400, floorBytes: 100, bootBytes: 256 };
  return {
    guests: [{ name: 'cluster', address: 'cluster' }],
    ownAddress: '127.0.0.1',
    holdings: { held: async () => Promise.reject(new Error('no such domain any more')) },
    sizes: Object.fromEntries(Object.entries(sizes).map(([key, mib]) => [key, bytes(mib * MIB)])),
    config: {},
    signal: AbortSignal.timeout(1500),
  } as unknown as StudyBoard;
}

const assertNothingIsLeft = async (): Promise<void> => {
  await sleep(20); // handles close a turn later
  const left = process.getActiveResourcesInfo().filter((each) => /TCP|Process/.test(each));
  assert.deepEqual(left, []);
};

test('guests that say nothing: the interrupted run has no server left, and nothing runs in a guest', async (t) => {
  await assert.rejects(qmemmanLike.begin(board(t, '')), { name: 'AbortError' });
  await assertNothingIsLeft();
});

test('a loop that has failed: its end tells why, and leaves nothing', async (t) => {
  const running = await qmemmanLike.begin(board(t, 'cluster 200000 1000 1000 1000\n'));
  await assert.rejects(running.end(), /no such domain any more/);
  await assertNothingIsLeft();
});
