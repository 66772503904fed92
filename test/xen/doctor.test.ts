/** What `memtide doctor` finds in dom0 and in the guests: each is told its own role, and what it is given. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GUESTS, type Guest, inDom0, inGuest, ON_BOARD } from './guests.ts';

interface Report {
  readonly can_run: boolean;
  readonly checks: ReadonlyArray<{
    readonly id: string;
    readonly status: string;
    readonly finding: string;
    readonly mend: string[];
  }>;
}

const read = (text: string) => {
  const report = JSON.parse(text) as Report;
  const find = (id: string) => report.checks.find((check) => check.id === id)!;
  return { report, find };
};

describe('memtide doctor', { ...ON_BOARD, timeout: 600_000 }, () => {
  test('in dom0: the control domain, direct-mapped and so no donor, with its GPIO chip by label', async () => {
    const { report, find } = read(await inDom0('memtide', 'doctor', '--json'));
    assert.equal(report.can_run, true);
    assert.match(find('xen-role').finding, /^4\.20\S*, control domain/);
    assert.equal(find('xen-devices').status, 'ok');
    assert.match(find('xen-balloon').finding, /^holds 640 MiB/);
    assert.equal(find('xen-scheduler').finding, 'credit2');
    assert.equal(find('xen-grants').finding, '1024 pages, 4 MiB');
    assert.equal(find('xen-direct-map').status, 'degraded');
    assert.match(find('xen-direct-map').mend.join(), /dom0_mem/);
    assert.match(find('gpio').finding, /9030000\.pl061 \(8 lines/);
    assert.equal(find('psi').status, 'ok');
  });

  for (const guest of GUESTS as readonly Guest[]) {
    test(`in ${guest.name}: a guest that may balloon, with all devices`, async () => {
      const { report, find } = read(await inGuest(guest, 'memtide doctor --json'));
      assert.equal(report.can_run, true);
      assert.match(find('xen-role').finding, /^4\.20\S*, guest/);
      assert.equal(find('xen-devices').status, 'ok');
      assert.match(find('xen-balloon').finding, /^holds 256 MiB/);
      assert.equal(find('xen-direct-map').status, 'ok');
      assert.equal(find('psi').status, 'ok');
    });
  }
});
