import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendStatus, DomainStatus } from '../../../src/demo/backend-status.ts';
import { agentsText } from '../../../src/demo/guest-text.ts';
import { statusText } from '../../../src/demo/status-text.ts';
import { MIB } from '../../../src/units.ts';

const backend: BackendStatus = {
  mode: 'hypervisor',
  total_bytes: 96 * MIB,
  pool_bytes: 10 * MIB,
  arena: { byteLength: 64 * MIB, huge: true, locked: true },
  domains: ['a', 'b', 'c'].map((name) => ({
    name,
    connected: true,
    reserve_bytes: 0,
    offered_bytes: 0,
    leased_bytes: 0,
  })),
  figures: {},
};
const stalls = (domains: Record<string, DomainStatus | string>): string | undefined =>
  /^stalls +(.*)$/m.exec(statusText('/run', backend, domains))?.[1];
const told = (domain: string, psi?: string): DomainStatus => ({ domain, ...(psi === undefined ? {} : { psi }) });

test('status says how each domain senses stalls, the like together', () => {
  const domains = { a: told('a', 'trigger'), b: told('b', 'off'), c: told('c', 'trigger') };
  assert.equal(stalls(domains), 'the kernel tells (a, c); not watched (b)');
});

test('status leaves out whose agent has ended or does not say', () => {
  assert.equal(stalls({ a: told('a', 'polling'), b: 'gone', c: told('c') }), 'PSI is polled (a)');
  assert.equal(stalls({}), 'no agent to sense them');
});

test('status shows what spools hold and have lost, and nothing of them where there are none', () => {
  const spool = { unsent: 12, unconfirmed: 40, bytes: 3 * MIB, cap_bytes: 64 * MIB, dropped: 7, gaps: 1, refused: 0 };
  const domains = { a: { ...told('a'), telemetry: { spool } }, b: told('b'), c: 'gone' };
  const text = statusText('/run', { ...backend, spool: { ...spool, refused: 2, problem: '/spool: EIO' } }, domains);
  assert.match(text, /^a +12 unsent, 40 unconfirmed, 3 MiB of 64 MiB, 7 dropped in 1 gap$/m);
  assert.match(text, /^back end +12 unsent, .*, 7 dropped in 1 gap, 2 not taken, \/spool: EIO$/m);
  assert.doesNotMatch(statusText('/run', backend, { b: told('b') }), /spool/);
});

test('status says what did not fit in the queues to the broker, and nothing where all did', () => {
  const uplink = { state: 'connecting', dropped: { mem: 12, psi: 3 } };
  const domains = { a: { ...told('a'), telemetry: { uplink } }, b: told('b') };
  const busy = { ...backend, uplink: { state: 'connected', dropped: { alloc: 1 } } };
  assert.match(
    statusText('/run', busy, domains),
    /^given up +messages for the broker: 1 alloc \(back end\); 12 mem, 3 psi \(a\)$/m,
  );
  assert.doesNotMatch(statusText('/run', backend, { b: told('b') }), /given up/);
});

test('status shows what guests of Xen hold, may grow to and are lent, and nothing of them where there are none', () => {
  const guests = [
    { name: 'a', held_bytes: 205 * MIB, entitlement_bytes: 230 * MIB },
    { name: 'b', held_bytes: 0, entitlement_bytes: 0, stuck: true },
  ];
  const xen = { free_bytes: 900 * MIB, pool_bytes: 32 * MIB, guests };
  const borrowed = [{ name: 'a', granted_bytes: 24 * MIB, leased_bytes: 4 * MIB }];
  const lent = { arena_bytes: 48 * MIB, owed_bytes: 4 * MIB, stuck_bytes: 2 * MIB, guests: borrowed };
  const text = statusText('/run', { ...backend, xen, lent }, {});
  assert.match(text, /^a +205 MiB +230 MiB +24 MiB +4 MiB$/m);
  assert.match(text, /^b \(stuck\) +not there +0 B +- +-$/m);
  assert.match(
    text,
    /^32 MiB in the pool of Xen’s 900 MiB free; 48 MiB of dom0 to lend, 4 MiB not let go of yet \(2 MiB stuck\)$/m,
  );
  assert.doesNotMatch(statusText('/run', backend, {}), /guest of Xen/);
});

test('an agent that is elsewhere is said to be reached over MQTT', () => {
  const domains = [{ ...backend.domains[0]!, remote: true }];
  assert.match(statusText('/run', { ...backend, domains }, {}), /^a .* over MQTT$/m);
});

test('in a domain without a back end status tells of its agents', () => {
  const a = {
    ...told('a'),
    limit_bytes: 205 * MIB,
    used_bytes: 80 * MIB,
    programs: 1,
    enforced_by: 'balloon',
    leases: {},
  };
  const text = agentsText('/run', { a, b: { ...a, domain: 'b', backend_is_there: false }, c: 'gone\nmore' });
  assert.match(text, /^the back end is in another domain$/m);
  assert.match(text, /^a +205 MiB +80 MiB +1 +from dom0 +balloon$/m);
  assert.match(text, /^b .* the back end is away$/m);
  assert.match(text, /^c +- +- +- +- +gone$/m);
});
