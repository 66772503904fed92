/** The agent of dom0 as a whole, commanded over MQTT, with a guest to lend to. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt from 'mqtt';
import { pino } from 'pino';
import { XenBackendAgent } from '../../src/agent/xen-backend-agent.ts';
import { checkConfig } from '../../src/config/load.ts';
import { BACK } from '../../src/control/layout.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { askBackend } from '../../src/demo/backend-status.ts';
import { BareGuest } from '../fakes/bare-guest.ts';
import { Calls, storePlace } from '../fakes/store-place.ts';
import { openDescriptors, underXen } from '../fakes/xen-process.ts';

const ARENA_MIB = 8;
const FOLDER = process.env.FAKE_XEN_DIR ?? '';

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(20);
}

underXen(import.meta.url, () => {
  test('commands hold for what is lent to guests, and the agent ends when the plane that lends fails', async (test) => {
    const { daemon, guest, client, stopAtEnd } = await storePlace(test);
    await daemon.listen(path.join(FOLDER, 'xs-0'), 0);
    const runDir = path.join(FOLDER, 'run');
    const stopped = new Calls<string>();
    const agent = new XenBackendAgent({
      config: checkConfig({
        total_mib: 32,
        arena: { chunk_kib: 1024, pool_mib: 2, huge_pages: 'never' },
        xen: { arena_mib: ARENA_MIB },
        fast_plane: { policy: 'other', nice: 0 },
        domains: [{ name: 'cluster', floor_mib: 4, ceiling_mib: 16, budget_mib: 4 }],
        mqtt: { embedded: { port: 0 } },
      }),
      runDir,
      log: pino({ level: 'silent' }),
      stopped: () => stopped.add('stopped'),
    });
    stopAtEnd(agent);
    await agent.start();
    await guest(5, 'cluster');
    const cluster = new BareGuest(await client(5), 5);
    stopAtEnd(cluster);
    await cluster.start();
    await cluster.told.until((text) => text === 'connected');
    await until(() => cluster.chunks === ARENA_MIB);

    const { broker_url } = await askBackend(new RunFiles(runDir).backendSocket);
    const user = await mqtt.connectAsync(broker_url as string);
    test.after(() => user.endAsync(true));
    await user.subscribeAsync('memtide/local/backend/rsp/+');
    const ask = async (verb: string, args: object): Promise<void> => {
      const answer = new Promise((resolve) => user.once('message', (_, content) => resolve(content.toString())));
      await user.publishAsync(`memtide/local/backend/cmd/${verb}`, JSON.stringify({ txn: verb, ...args }), { qos: 1 });
      assert.match(String(await answer), /"ok":true/);
    };
    await ask('limits', { domain: 'cluster', floor_mib: 1, ceiling_mib: 4 });
    await until(() => cluster.chunks === 4);
    await ask('mode', { mode: 'split' });
    await until(() => cluster.words[BACK.mode] === 1);

    fs.closeSync(openDescriptors(/\/evtchn-\d+$/)[0]!); // the lender's
    await stopped.until(() => true);
  });
});
