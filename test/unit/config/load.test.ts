import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkConfig, loadConfig, parseConfig } from '../../../src/config/load.ts';
import { EXIT, MemtideError } from '../../../src/errors.ts';

const DOMAIN = { name: 'a', floor_mib: 16, ceiling_mib: 64, budget_mib: 32 };

/** The message of the one error that `input` causes. */
function refusal(input: unknown): string {
  try {
    checkConfig(input);
  } catch (error) {
    assert.ok(error instanceof MemtideError);
    assert.equal(error.exitCode, EXIT.config);
    return error.message;
  }
  assert.fail('accepted');
}

test('an empty object is a configuration', () => {
  assert.deepEqual(checkConfig({}), loadConfig(undefined));
  assert.equal(checkConfig({}).mqtt.embedded.port, 1883);
});

test('the effective configuration can be used as a file, and comes to the same', () => {
  const config = checkConfig({ total_mib: 512, domains: [DOMAIN], pressure: { psi: 'off' } });
  assert.deepEqual(parseConfig(JSON.stringify(config), 'again'), config);
});

test('a machine may have 64 domains', () => {
  const domains = Array.from({ length: 64 }, (_, id) => ({ ...DOMAIN, name: `domain-${id}` }));
  assert.equal(checkConfig({ domains }).domains.length, 64);
});

test('the configuration is frozen to its leaves', () => {
  const config = checkConfig({ domains: [DOMAIN] }) as unknown as {
    domains: Array<{ floor_mib: number }>;
    arena: { lock: boolean };
  };
  assert.throws(() => config.domains.push({ floor_mib: 1 }), TypeError);
  assert.throws(() => {
    config.domains[0]!.floor_mib = 1;
  }, TypeError);
  assert.throws(() => {
    config.arena.lock = false;
  }, TypeError);
});

for (const [what, input, expected] of [
  ['a key with the wrong unit', { total_mb: 3 }, 'total_mb: no such key; did you mean total_mib?'],
  [
    'a key without its unit',
    { pressure: { psiWindow: 3 } },
    'pressure.psiWindow: no such key; did you mean psi_window_ms?',
  ],
  ['a typo', { fast_plane: { dorbell: 'fifo' } }, 'fast_plane.dorbell: no such key; did you mean doorbell?'],
  ['a key of another section', { sample_hz: 3 }, 'sample_hz: no such key here; it belongs at pressure.sample_hz'],
  ['a key of no section', { log: { colour: 1 } }, 'log.colour: no such key; known here: level'],
  ['a hostile key', { log: { '\u001b[2J': 1 } }, 'log."\\u001b[2J": no such key; known here: level'],
  [
    'a text for a number',
    { total_mib: '64' },
    'total_mib: found "64"; accepted: a whole number from 16 to 1048576 MiB',
  ],
  [
    'a number out of range',
    { pressure: { sample_hz: 0 } },
    'pressure.sample_hz: found 0; accepted: a whole number from 1 to 100 Hz',
  ],
  [
    'a fraction',
    { fast_plane: { spin_us: 0.5 } },
    'fast_plane.spin_us: found 0.5; accepted: a whole number from 0 to 1000 µs',
  ],
  [
    'no power of two',
    { arena: { chunk_kib: 300 } },
    'arena.chunk_kib: found 300; accepted: a power of two from 256 to 8192 KiB',
  ],
  ['an unknown word', { mode: 'fast' }, 'mode: found "fast"; accepted: split, hypervisor'],
  ['a name that cannot be a topic', { vehicle: 'a/+' }, 'vehicle: found "a/+"; accepted: 1 to 32 of a-z'],
  [
    'more domains than a back end has room for',
    { domains: Array.from({ length: 65 }, (_, id) => ({ ...DOMAIN, name: `d${id}` })) },
    'domains: found [{"name":"d0","floor_mib":16,"ceiling_mib":64,"budget_mib…; accepted: a list of 1 to 64',
  ],
  ['a missing key', { domains: [{ name: 'a' }] }, 'domains[0].floor_mib: found nothing; accepted: a whole number'],
  [
    'a secret in the address',
    { mqtt: { url: 'mqtt://u:p@h' } },
    'mqtt.url: found "mqtt://u:p@h"; accepted: mqtt://host[:port]',
  ],
  ['a list for an object', [], 'the configuration: found []; accepted: an object with $schema, vehicle'],
  [
    'a floor above the ceiling',
    { domains: [{ ...DOMAIN, floor_mib: 65 }] },
    'domains[0].floor_mib: found 65, above ceiling_mib 64; accepted: at most 64',
  ],
  [
    'a budget above the ceiling',
    { domains: [{ ...DOMAIN, budget_mib: 65 }] },
    'domains[0].budget_mib: found 65; accepted: at most ceiling_mib, 64',
  ],
  [
    'a reserve beyond the ceiling',
    { domains: [{ ...DOMAIN, reserve_mib: 33 }] },
    'domains[0].reserve_mib: found 33; accepted: at most 32',
  ],
  [
    'two domains of one name',
    { domains: [DOMAIN, DOMAIN] },
    'domains[1].name: found "a", which is also the name of domains[0]; accepted: a name of its own',
  ],
  [
    'a total that the budgets exceed',
    { total_mib: 64, domains: [DOMAIN, { ...DOMAIN, name: 'b', reserve_mib: 8 }], arena: { pool_mib: 16 } },
    'total_mib: found 64; accepted: at least 88',
  ],
  [
    'a total that the floors exceed',
    { total_mib: 64, domains: [DOMAIN, { ...DOMAIN, name: 'b', floor_mib: 48 }] },
    'total_mib: found 64; accepted: at least 80',
  ],
  [
    'a total of which too much would have to be mapped',
    { total_mib: 3200, domains: [DOMAIN] },
    'total_mib: found 3200; accepted: at most 3088',
  ],
  ['a pool below a chunk', { arena: { pool_mib: 1 } }, 'arena.pool_mib: found 1; accepted: at least one chunk, 2 MiB'],
  [
    'a slower burst rate',
    { pressure: { sample_hz: 50, burst_sample_hz: 20 } },
    'pressure.burst_sample_hz: found 20; accepted: at least sample_hz, 50',
  ],
  [
    'a stall above the window',
    { pressure: { psi_stall_ms: 3000 } },
    'pressure.psi_stall_ms: found 3000; accepted: at most psi_window_ms, 2000',
  ],
  [
    'a step below a chunk',
    { policy: { step_cap_mib: 1 } },
    'policy.step_cap_mib: found 1; accepted: at least one chunk, 2 MiB',
  ],
  [
    'tokens below a step',
    { policy: { token_burst_mib: 32 } },
    'policy.token_burst_mib: found 32; accepted: at least step_cap_mib, 64',
  ],
  [
    'a back-off above its limit',
    { policy: { stuck_backoff_s: 301 } },
    'policy.stuck_backoff_max_s: found 300; accepted: at least stuck_backoff_s, 301',
  ],
  [
    'MQTT 5 on the embedded broker',
    { mqtt: { protocol_version: 5 } },
    'mqtt.protocol_version: found 5 for the embedded broker; accepted: 4, or',
  ],
  [
    'a password without a user',
    { mqtt: { password_file: '/p' } },
    'mqtt.password_file: found a password without a user; accepted: both',
  ],
  [
    'an authority without TLS',
    { mqtt: { url: 'mqtt://h', ca_file: '/c' } },
    'mqtt.ca_file: found a certificate authority for a connection without TLS',
  ],
] as const) {
  test(`refuses ${what}, naming the key, what was found and what is accepted`, () => {
    const message = refusal(input);
    assert.ok(message.includes(`  found:    ${expected}`), message);
  });
}

test('names every wrong key at once', () => {
  const message = refusal({ total_gb: 1, log: { level: 'loud' }, domains: [{ ...DOMAIN, floor_mib: -1 }] });
  for (const key of ['total_gb', 'log.level', 'domains[0].floor_mib']) assert.ok(message.includes(`${key}: `), message);
});

test('says at which line and column a file stops being JSON', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'memtide-config-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'c.json');
  await writeFile(file, '{\n  "total_mib": 64,\n}\n');
  assert.throws(
    () => loadConfig(file),
    (error: Error) => error.message.includes(`${file}:2:18`) && error.message.includes('a comma before }'),
  );
});

test('a file that is missing says so, with the mend', () => {
  assert.throws(
    () => loadConfig('/nonexistent/memtide.json'),
    (error: unknown) =>
      error instanceof MemtideError &&
      error.exitCode === EXIT.config &&
      /no such file[\s\S]*create it/.test(error.message),
  );
});

test('a folder in place of a file is refused', () => {
  assert.throws(() => loadConfig(tmpdir()), /found: +a folder/);
});

test('a byte order mark, as some editors write it, is no error', () => {
  assert.equal(parseConfig('\uFEFF{"vehicle": "van"}', 'x').vehicle, 'van');
});
