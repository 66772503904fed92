import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendStatus, DomainStatus } from '../../../src/demo/backend-status.ts';
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
