/** dom0 lends to guests that come, go, have one name, and to more than there is; xenstore and its own thread fail it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BACK } from '../../src/control/layout.ts';
import { GrantLender } from '../../src/coordination/grant-lender.ts';
import { BareGuest } from '../fakes/bare-guest.ts';
import { Calls, storePlace } from '../fakes/store-place.ts';
import { openDescriptors, underXen } from '../fakes/xen-process.ts';

const CHUNKS = 16;
const CHUNK_BYTES = 2 ** 18;
/** Xen, public/io/xs_wire.h. */
const [READ, UNWATCH] = [2, 5];
const FOLDER = process.env.FAKE_XEN_DIR ?? '';

interface Status {
  readonly owed_bytes: number;
  readonly guests: ReadonlyArray<
    Readonly<Record<'name', string> & Record<'domid' | 'granted_bytes' | 'offered_bytes', number>>
  >;
}

async function lending(test: TestContext) {
  const place = await storePlace(test);
  const told = new Calls<string>();
  const lender = new GrantLender({
    store: await place.client(0),
    runDir: path.join(FOLDER, 'run'),
    arenaBytes: CHUNKS * CHUNK_BYTES,
    chunkBytes: CHUNK_BYTES,
    guests: ['cluster', 'infotainment'].map((name) => ({ name, ceilingBytes: CHUNKS * CHUNK_BYTES })),
    scheduling: {},
    mode: 'hypervisor',
    stuckBackoffMillis: 0,
    onGuest: (name, connected, reason) => told.add(`${name} ${connected ? 'is there' : `is gone: ${reason}`}`),
    onProblem: told.add,
    onFailure: (error) => told.add(`failed: ${error.message}`),
  });
  place.stopAtEnd(lender);
  await lender.start();
  const status = (): Status => lender.status() as unknown as Status;
  return {
    ...place,
    lender,
    told,
    async enter(domid: number, name: string): Promise<BareGuest> {
      await place.guest(domid, name);
      const guest = new BareGuest(await place.client(domid), domid);
      place.stopAtEnd(guest);
      await guest.start();
      return guest;
    },
    async until(isSo: (now: Status) => boolean): Promise<void> {
      while (!isSo(status())) await sleep(20);
    },
  };
}

underXen(import.meta.url, () => {
  test('of two domains with one name the younger is lent to, and the other again when it is gone', async (test) => {
    const { enter, until, told, daemon } = await lending(test);
    const older = await enter(5, 'cluster');
    await until(({ guests }) => guests[0]?.granted_bytes === CHUNKS * CHUNK_BYTES);
    const lent = older.grants;
    const younger = await enter(6, 'cluster');
    await younger.told.until((text) => text === 'connected');
    await told.until((text) => text === 'cluster is gone: domain 6 has its name now');
    for (let chunk = 0; chunk < CHUNKS; chunk++) assert.equal(lent.turnOf(chunk) & 1, 0, 'it is asked back');
    await older.told.until((text) => /domain 6 has that name/.test(text));
    await until(({ guests, owed_bytes }) => owed_bytes === 0 && guests[0]?.granted_bytes === CHUNKS * CHUNK_BYTES);
    assert.equal(younger.chunks, CHUNKS);
    daemon.release(6);
    await until(({ guests }) => guests[0]?.domid === 5 && guests[0].granted_bytes > 0);
  });

  test('xenstored fails just when a guest comes, and when it goes', async (test) => {
    const { enter, until, daemon } = await lending(test);
    daemon.intercept = ({ type, payload }) => {
      if (type !== READ || !payload.toString('latin1').startsWith('/local/domain/5/name')) return undefined;
      daemon.intercept = () => undefined;
      daemon.disconnect(0);
      return 'silence';
    };
    await enter(5, 'cluster');
    await until(({ guests }) => guests[0]?.granted_bytes === CHUNKS * CHUNK_BYTES);
    daemon.intercept = ({ type }) => {
      if (type !== UNWATCH) return undefined;
      daemon.intercept = () => undefined;
      daemon.disconnect(0);
      return 'silence';
    };
    daemon.release(5);
    await until(({ guests, owed_bytes }) => guests.length === 0 && owed_bytes === 0);
  });

  test('what a tick fails with is told once, and the ticks go on', async (test) => {
    const { enter, until, told, lender } = await lending(test);
    lender.setCeiling('cluster', 4 * CHUNK_BYTES);
    await enter(5, 'cluster');
    await until(({ guests }) => guests[0]?.granted_bytes === 4 * CHUNK_BYTES);
    // In the way of the files that the stand-in for gntalloc makes next, one after the other.
    const next = fs.readFileSync(path.join(FOLDER, 'state')).readInt32LE(8) + 1;
    for (let file = next; file < next + 6; file++) fs.mkdirSync(path.join(FOLDER, `pages-${file}`));
    lender.setCeiling('cluster', CHUNKS * CHUNK_BYTES);
    await until(({ guests }) => guests[0]?.granted_bytes === CHUNKS * CHUNK_BYTES);
    const problems = told.seen.filter((text) => text.includes('EISDIR'));
    assert.equal(problems.length, 1, told.seen.join('\n'));
  });

  test('a mode and a ceiling that are commanded hold for guests that are there, and the mode for those that come', async (test) => {
    const { enter, until, lender } = await lending(test);
    const cluster = await enter(5, 'cluster');
    await until(({ guests }) => guests[0]?.offered_bytes === CHUNKS * CHUNK_BYTES);
    lender.setCeiling('cluster', 4 * CHUNK_BYTES);
    await until(({ guests }) => guests[0]?.granted_bytes === 4 * CHUNK_BYTES);
    assert.equal(cluster.words[BACK.ceilingChunks], 4);
    lender.setMode('split');
    await until(({ guests }) => guests[0]?.offered_bytes === 0);
    assert.equal(cluster.words[BACK.mode], 1);
    const other = await enter(6, 'infotainment');
    await other.told.until((text) => text === 'connected');
    assert.equal(other.words[BACK.mode], 1);
  });

  test('a fast plane that fails is told, refuses who comes, and keeps the lender from ending no longer than guests may', async (test) => {
    const { enter, until, lender, told } = await lending(test);
    const [channels] = openDescriptors(/\/evtchn-\d+$/).slice(-1) as [number]; // the lender's
    await enter(5, 'cluster');
    await until(({ guests }) => guests[0]?.granted_bytes === CHUNKS * CHUNK_BYTES);
    fs.closeSync(channels);
    await told.until((text) => text.startsWith('failed: cannot read pending event channels'));
    const other = await enter(6, 'infotainment');
    await other.told.until((text) => /the fast plane that lends to guests has failed/.test(text));
    await lender.stop();
    assert.equal(told.seen.at(-1), 'cluster is gone: closed');
  });
});
