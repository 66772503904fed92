/** `/metrics` of real agents, as Prometheus would scrape it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { objections, promtool } from '../fakes/promtool.ts';
import { LocalMachine } from './local-machine.ts';

const DOMAINS = [
  { name: 'cluster', floor_mib: 16, ceiling_mib: 48, budget_mib: 16 },
  { name: 'infotainment', floor_mib: 16, ceiling_mib: 64, budget_mib: 16 },
];

/** The first of so many that are free, one after the other; below those that the system gives to whoever asks for any. */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 10_000 + Math.floor(Math.random() * 20_000);
    const servers = await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const server = createServer().listen(first + i, '127.0.0.1');
        const free = await Promise.race([
          once(server, 'listening').then(() => true),
          once(server, 'error').then(() => false),
        ]).catch(() => false);
        return { server, free };
      }),
    );
    for (const { server, free } of servers) if (free) await new Promise((closed) => server.close(closed));
    if (servers.every(({ free }) => free)) return first;
  }
}

async function scrape(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  assert.equal(response.status, 200);
  return response.text();
}

test('back end and domains serve their health, each on a port of its own', async (t) => {
  const port = await freePorts(3);
  const machine = new LocalMachine({
    total_mib: 96,
    domains: DOMAINS,
    mqtt: { embedded: { port: 0 } },
    metrics: { port },
  });
  t.after(() => machine.stop());
  await machine.start();
  const isConnected = async (): Promise<boolean> => /^memtide_uplink_connected 1$/m.test(await scrape(port));
  while (!(await isConnected())) await wait(20);
  const [backend, cluster, infotainment] = [await scrape(port), await scrape(port + 1), await scrape(port + 2)];
  assert.match(backend, /^memtide_build_info\{domain="backend",version=/m);
  for (const { name } of DOMAINS) assert.ok(backend.includes(`memtide_domain_connected{domain="${name}"} 1\n`));
  assert.match(backend, /^memtide_pool_bytes \d+$/m);
  assert.match(cluster, /^memtide_build_info\{domain="cluster"/m);
  assert.match(infotainment, /^memtide_domain_limit_bytes 16777216$/m);
  if (promtool.skip) t.diagnostic(promtool.skip);
  else for (const text of [backend, cluster, infotainment]) assert.equal(objections(text), '');
});

test('nothing is served unless it is asked for', async (t) => {
  const machine = new LocalMachine({ total_mib: 96, domains: DOMAINS, mqtt: { embedded: { port: 0 } } });
  t.after(() => machine.stop());
  await machine.start([]);
  assert.equal(machine.config.metrics.port, undefined);
});
