/** A guest's front end with dom0's lender in one process: what comes to nothing leaves nothing behind, and is tried again. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GrantFrontend } from '../../src/coordination/grant-frontend.ts';
import { GrantLender } from '../../src/coordination/grant-lender.ts';
import { DomainFiles } from '../../src/coordination/run-files.ts';
import { Calls, storePlace } from '../fakes/store-place.ts';
import { openDescriptors, underXen } from '../fakes/xen-process.ts';

const ARENA_BYTES = 4 * 2 ** 18;
const FOLDER = process.env.FAKE_XEN_DIR ?? '';

async function place(test: TestContext) {
  const store = await storePlace(test);
  await store.guest(5, 'cluster');
  const directory = fs.mkdtempSync(path.join(FOLDER, 'cluster-'));
  const files = new DomainFiles(directory);
  const told = new Calls<string>();
  const front = new GrantFrontend({
    store: await store.client(5),
    domid: 5,
    domain: 'cluster',
    files,
    lockFd: fs.openSync(files.locks, 'a+'),
    scheduling: {},
    reserveBytes: 0,
    answer: () => ({ ok: false, error: 'nothing is asked here' }),
    onLending: (lending) => told.add(lending ? 'lends' : 'lends no more'),
    onProblem: (problem) => told.add(`problem: ${problem}`),
    onFailure: (error) => told.add(`failed: ${error.message}`),
  });
  store.stopAtEnd(front);
  const lender = new GrantLender({
    store: await store.client(0),
    runDir: path.join(directory, 'run'),
    arenaBytes: ARENA_BYTES,
    chunkBytes: 2 ** 18,
    guests: [{ name: 'cluster', ceilingBytes: ARENA_BYTES }],
    scheduling: {},
    mode: 'hypervisor',
    stuckBackoffMillis: 0,
    onGuest: () => {},
    onProblem: (problem) => told.add(`dom0: ${problem}`),
    onFailure: (error) => told.add(`dom0: ${error.message}`),
  });
  await lender.start();
  store.stopAtEnd(lender);
  return { ...store, front, lender, files, told };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(10);
}

const answers = (socket: string): Promise<boolean> =>
  new Promise((resolve) => {
    const connection = net.connect(socket);
    connection.on('connect', () => resolve(true)).on('error', () => resolve(false));
    connection.on('connect', () => connection.destroy());
  });

underXen(import.meta.url, () => {
  test('an opening that fails is undone and tried again, until applications are served', async (test) => {
    const { front, lender, files, told } = await place(test);
    fs.mkdirSync(path.join(files.socket, 'in-the-way'), { recursive: true });
    await front.start();
    await until(() => told.seen.filter((text) => text.startsWith('problem')).length === 2);
    assert.deepEqual(
      told.seen.map((text) => text.slice(0, 13)),
      ['lends', 'lends no more', 'problem: Path', 'lends', 'lends no more', 'problem: Path'],
    );
    await until(() => openDescriptors(/cluster-.*front\.bell$/).length === 0);
    fs.rmSync(files.socket, { recursive: true });
    await until(() => front.isLending);
    assert.equal(await answers(files.socket), true);
    assert.equal(front.mode, 'hypervisor');
    lender.setMode('split');
    await until(() => front.mode === 'split');
    await front.stop();
    assert.deepEqual([front.mode, await answers(files.socket)], [undefined, false]);
    assert.deepEqual(openDescriptors(/cluster-.*front\.bell$/), []);
  });

  test('an offer that cannot be finished grants nothing', async (test) => {
    const { front, told } = await place(test);
    const refusal = path.join(FOLDER, 'no-notice-0');
    fs.writeFileSync(refusal, '');
    const before = openDescriptors(/\/pages-\d+$/).length;
    await front.start();
    await told.count(3);
    assert.match(told.seen[0]!, /problem: cannot ask for a notice of unmapping/);
    assert.equal(openDescriptors(/\/pages-\d+$/).length, before);
    fs.rmSync(refusal);
    await until(() => front.isLending);
    await front.stop();
  });

  test('a fast plane that fails is told, and applications are not left with it at the agent’s end', async (test) => {
    const { front, files, told } = await place(test);
    await front.start();
    await until(() => front.status().mapped_bytes === ARENA_BYTES); // nothing is opened any more
    fs.closeSync(openDescriptors(/\/evtchn-\d+$/).at(-1)!);
    await told.until((text) => text.startsWith('failed: cannot read pending event channels'));
    await front.stop();
    assert.deepEqual([front.isLending, await answers(files.socket)], [false, false]);
  });
});
