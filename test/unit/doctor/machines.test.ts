import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { canRun, type Finding, type Status } from '../../../src/doctor/check.ts';
import { COMPLETE, CONTAINER, factsOf, judged, type Machine, RASPBERRY_PI_5, XEN_DOM0, XEN_GUEST } from './machines.ts';

async function findingsOf(t: TestContext, machine: Machine): Promise<ReadonlyMap<string, Finding>> {
  return judged(await factsOf(t, machine));
}

/** Ids of the findings with this status. */
const withStatus = (findings: ReadonlyMap<string, Finding>, status: Status): string[] =>
  [...findings.values()].filter((finding) => finding.status === status).map(({ id }) => id);

function finding(findings: ReadonlyMap<string, Finding>, id: string): Finding {
  const found = findings.get(id);
  assert.ok(found, id);
  return found;
}

const mendOf = (findings: ReadonlyMap<string, Finding>, id: string): string =>
  finding(findings, id).mend?.join('\n') ?? '';

test('a machine with everything has nothing to mend', async (t) => {
  const findings = await findingsOf(t, COMPLETE);
  assert.deepEqual(withStatus(findings, 'degraded'), []);
  assert.deepEqual(withStatus(findings, 'missing'), []);
  const absent = [
    'gpio',
    'i2c',
    'xen-role',
    'xen-devices',
    'xen-grants',
    'xen-scheduler',
    'xen-balloon',
    'xen-direct-map',
  ];
  assert.deepEqual(withStatus(findings, 'not-applicable'), absent);
  assert.match(finding(findings, 'swap').finding, /2\.0 GiB, compressed in memory \(zram\)/);
  assert.equal(finding(findings, 'memory-cgroup').finding, 'v2, below /sys/fs/cgroup');
});

test('Raspberry Pi as it is flashed: both kernel switches are found off, each with its line for cmdline.txt', async (t) => {
  const findings = await findingsOf(t, RASPBERRY_PI_5);
  assert.deepEqual(withStatus(findings, 'missing'), ['memory-cgroup', 'psi']);
  assert.match(mendOf(findings, 'memory-cgroup'), /append cgroup_enable=memory to the one line of .*cmdline\.txt/);
  assert.match(mendOf(findings, 'psi'), /append psi=1 to the one line of .*cmdline\.txt/);
  assert.ok(canRun([...findings.values()]));
});

test('Raspberry Pi: page sizes are read, not assumed', async (t) => {
  const findings = await findingsOf(t, RASPBERRY_PI_5);
  assert.equal(finding(findings, 'pages').finding, '16 KiB, huge pages of 32 MiB');
});

test('Raspberry Pi: GPIO chips are shown by label and base; the missing package is named with what building it takes', async (t) => {
  const findings = await findingsOf(t, RASPBERRY_PI_5);
  assert.equal(finding(findings, 'gpio').finding, 'pinctrl-rp1 (54 lines from 571)');
  assert.deepEqual(finding(findings, 'package-onoff').mend, ['apt install g++ make', 'npm ci']);
  assert.match(mendOf(findings, 'i2c'), /dtparam=i2c_arm=on/);
  assert.equal(finding(findings, 'package-i2c-bus').status, 'not-applicable');
});

test('an ordinary user without limits of his own is told how to get priorities and locked memory', async (t) => {
  const findings = await findingsOf(t, RASPBERRY_PI_5);
  for (const [id, item] of [
    ['nice', 'nice -20'],
    ['realtime', 'rtprio 99'],
    ['locked-memory', 'memlock unlimited'],
  ] as const) {
    assert.equal(finding(findings, id).status, 'degraded', id);
    assert.match(mendOf(findings, id), new RegExp(item));
  }
});

test('Xen: the control domain is told that it is no donor', async (t) => {
  const findings = await findingsOf(t, XEN_DOM0);
  assert.equal(finding(findings, 'xen-role').finding, '4.20.0, control domain (dom0)');
  assert.equal(finding(findings, 'xen-devices').status, 'ok');
  assert.equal(finding(findings, 'xen-balloon').finding, 'holds 768 MiB');
  assert.deepEqual(withStatus(findings, 'degraded'), ['i2c', 'xen-grants', 'xen-direct-map']);
  assert.equal(finding(findings, 'xen-scheduler').finding, 'credit2');
  assert.equal(finding(findings, 'xen-grants').finding, '1024 pages, 4 MiB');
  assert.match(mendOf(findings, 'xen-grants'), /echo 32768 > .*xen_gntalloc/);
  assert.match(finding(findings, 'xen-direct-map').consequence ?? '', /no donor/);
});

test('Xen: a guest lacks its module and its balloon driver; its kernel’s arguments are in its config', async (t) => {
  const findings = await findingsOf(t, XEN_GUEST);
  assert.equal(finding(findings, 'xen-role').finding, '4.20.0, guest (domU)');
  assert.equal(finding(findings, 'xen-devices').finding, '/dev/xen/gntalloc missing');
  assert.match(mendOf(findings, 'xen-devices'), /modprobe .*xen-gntalloc/);
  assert.equal(finding(findings, 'xen-grants').status, 'not-applicable');
  assert.match(finding(findings, 'xen-scheduler').finding, /control domain only/);
  assert.equal(finding(findings, 'xen-balloon').status, 'missing');
  assert.equal(finding(findings, 'xen-direct-map').status, 'ok');
  assert.match(mendOf(findings, 'psi'), /"extra" in the domain’s config/);
});

test('container: what only its host can change is said to be outside', async (t) => {
  const findings = await findingsOf(t, CONTAINER);
  assert.equal(finding(findings, 'memory-cgroup').status, 'degraded');
  assert.match(finding(findings, 'memory-cgroup').finding, /no memory controller in \/sys\/fs\/cgroup/);
  assert.match(mendOf(findings, 'huge-shared-memory'), /apparmor_restrict_unprivileged_userns=0/);
  assert.equal(finding(findings, 'psi-trigger').finding, 'within a window of 2 s');
  assert.equal(finding(findings, 'clock-synchronised').finding, 'adjtimex was refused');
  assert.equal(finding(findings, 'nice').finding, 'allowed down to -20');
  assert.equal(finding(findings, 'realtime').finding, 'allowed up to 50');

  const grouped = { ...CONTAINER.files, '/proc/sys/kernel/sched_autogroup_enabled': '1\n' };
  const nice = finding(await findingsOf(t, { ...CONTAINER, files: grouped }), 'nice');
  assert.match(nice.finding, /^allowed down to -20; of use to agents that lead a session/);

  const withoutPsi = { ...CONTAINER, files: { ...CONTAINER.files } };
  delete (withoutPsi.files as Record<string, unknown>)['/proc/pressure/memory'];
  assert.match(mendOf(await findingsOf(t, withoutPsi), 'psi'), /^outside this container: add psi=1/);
});

test('memtide cannot run without Linux, a 64-bit processor, a Node of its age, or foreign calls', async (t) => {
  const refusal: [string, Partial<Machine>][] = [
    ['system', { platform: 'darwin' }],
    ['system', { architecture: 'arm' }],
    ['node', { nodeVersion: '20.18.9' }],
    ['node', { nodeVersion: '18.20.0' }],
    ['foreign-calls', { trials: { foreignCalls: async () => ({ ok: false, reason: 'Cannot find module' }) } }],
    ['memory', { files: {} }],
  ];
  for (const [id, change] of refusal) {
    const findings = await findingsOf(t, { ...COMPLETE, ...change });
    assert.ok(!canRun([...findings.values()]), id);
    assert.equal(finding(findings, id).status, 'missing', id);
  }
  for (const nodeVersion of ['20.19.0', '22.0.0', '24.1.0']) {
    assert.ok(canRun([...(await findingsOf(t, { ...COMPLETE, nodeVersion })).values()]), nodeVersion);
  }
});

test('a machine that shows nothing at all is still judged, line by line', async (t) => {
  const findings = await findingsOf(t, { files: {} });
  assert.equal(findings.size, (await findingsOf(t, COMPLETE)).size);
  for (const { id, status, finding: words, consequence = '', mend = [] } of findings.values()) {
    assert.notEqual(words, '', id);
    assert.doesNotMatch([words, consequence, ...mend].join('\n'), /undefined|NaN|\[object/, id);
    if (status === 'degraded' || status === 'missing') assert.notEqual(consequence, '', id);
  }
});

test('no permission is told apart from no device', async (t) => {
  const facts = await factsOf(t, XEN_DOM0);
  const denied = (path: string) => ({ path, access: 'denied' as const });
  const findings = judged({
    ...facts,
    wires: {
      ...facts.wires,
      gpioDevices: [denied('/dev/gpiochip0')],
      libgpiodPrograms: true,
      i2cDevices: [denied('/dev/i2c-1')],
    },
    xen: { ...facts.xen!, devices: [denied('/dev/xen/evtchn')], balloon: { currentKib: 1024, target: 'denied' } },
  });
  assert.match(mendOf(findings, 'gpio'), /usermod -aG gpio/);
  assert.match(mendOf(findings, 'i2c'), /usermod -aG i2c/);
  assert.equal(finding(findings, 'xen-devices').finding, 'no permission for /dev/xen/evtchn');
  assert.equal(finding(findings, 'xen-balloon').finding, 'holds 1 MiB, target not writable');
});

test('huge pages that tmpfs is denied are not counted on, though the mount succeeds', async (t) => {
  const shmem = '/sys/kernel/mm/transparent_hugepage/shmem_enabled';
  const findings = await findingsOf(t, {
    files: { ...COMPLETE.files, [shmem]: 'always within_size advise never [deny] force\n' },
  });
  assert.equal(finding(findings, 'huge-shared-memory').status, 'degraded');
});
