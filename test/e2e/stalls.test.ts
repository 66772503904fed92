/** Every way to sense stalls, from the configuration to what `memtide status` says. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { statusCommand } from '../../src/commands/status.ts';
import { PsiReader } from '../../src/pressure/psi.ts';
import { LocalMachine } from './local-machine.ts';

const MEMORY = { floor_mib: 16, ceiling_mib: 64, budget_mib: 16 };

test('stalls are sensed as configured, and status says how', async (t) => {
  const machine = new LocalMachine({
    total_mib: 96,
    domains: ['told', 'polls', 'deaf'].map((name) => ({ name, ...MEMORY })),
    mqtt: { embedded: { enabled: false } },
  });
  t.after(() => machine.stop());
  await machine.start([]);
  const { pressure } = machine.config;
  await machine.startDomain('told');
  await machine.startDomain('polls', { pressure: { ...pressure, psi: 'poll' } });
  await machine.startDomain('deaf', { pressure: { ...pressure, psi: 'off' } });

  const psi = new PsiReader('/proc/pressure/memory');
  const isThere = psi.read().ok;
  psi.close();
  assert.equal((await machine.domainStatus('polls')).psi, isThere ? 'polling' : 'none');
  assert.equal((await machine.domainStatus('deaf')).psi, 'off');
  const told = await machine.domainStatus('told');
  // Where the kernel refuses a trigger the reason is told, and polling takes over.
  assert.ok(told.psi === 'trigger' || told.psi_reason !== undefined, JSON.stringify(told));

  const stdout = new PassThrough();
  const signal = new AbortController().signal;
  const io = { stdout, stderr: new PassThrough(), env: {}, cwd: '/', signal, interactive: false, columns: 80 };
  assert.equal(await statusCommand({ runDir: machine.runDir }, io), 0);
  stdout.end();
  const shown = await text(stdout);
  assert.match(shown, /^stalls .*not watched \(deaf\)/m);
  assert.match(shown, isThere ? /^stalls .*PSI is polled \(.*polls\)/m : /^stalls .*there is no PSI here/m);
});
