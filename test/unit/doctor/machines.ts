/** Fixture machines: the files that the doctor looks at, and the answers of what it would try. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type Finding, judgeAll } from '../../../src/doctor/check.ts';
import { CHECKS } from '../../../src/doctor/checks.ts';
import type { MachineFacts } from '../../../src/doctor/facts.ts';
import { gatherFacts } from '../../../src/doctor/gather.ts';
import type { Trials } from '../../../src/doctor/trials.ts';

export interface Machine {
  readonly files: Readonly<Record<string, string | Buffer>>;
  readonly trials?: Partial<Trials>;
  readonly architecture?: string;
  readonly nodeVersion?: string;
  readonly platform?: string;
}

/** The auxiliary vector of a process: AT_HWCAP, AT_PAGESZ, AT_NULL. */
export function auxiliaryVector(pageBytes: number): Buffer {
  const words = BigUint64Array.of(16n, 0xffn, 6n, BigInt(pageBytes), 0n, 0n);
  return Buffer.from(words.buffer);
}

const limits = (nice: number, realtime: number, lockedBytes: number): string =>
  [
    'Limit                     Soft Limit           Hard Limit           Units     ',
    'Max data size             unlimited            unlimited            bytes     ',
    `Max locked memory         ${lockedBytes}              ${lockedBytes}              bytes     `,
    `Max nice priority         ${nice}                    ${nice}                    `,
    `Max realtime priority     ${realtime}                    ${realtime}                    `,
  ].join('\n');

const status = (uid: number, capabilities: string): string =>
  `Name:\tnode\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nCapEff:\t${capabilities}\n`;

const PSI = 'some avg10=1.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n';
const MEMINFO = 'MemTotal:        3885000 kB\nMemFree:         1000000 kB\nMemAvailable:    3000000 kB\n';
const SWAPS = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n';

/** What every Linux machine has: here one with everything memtide can use. */
const everything: Record<string, string | Buffer> = {
  '/proc/sys/kernel/osrelease': '6.12.48\n',
  '/proc/self/auxv': auxiliaryVector(4096),
  '/proc/self/status': status(0, '000001ffffffffff'),
  '/proc/self/limits': limits(0, 0, 8388608),
  '/proc/self/cgroup': '0::/\n',
  '/proc/self/mountinfo': '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n',
  '/proc/cgroups': '#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t80\t1\n',
  '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory pids\n',
  '/sys/fs/cgroup/cgroup.subtree_control': 'cpu memory pids\n',
  '/sys/fs/cgroup/cgroup.procs': '1\n',
  '/proc/meminfo': MEMINFO,
  '/proc/swaps': `${SWAPS}/dev/zram0                              partition\t2097136\t\t0\t\t100\n`,
  '/proc/pressure/memory': PSI,
  '/sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never\n',
  '/sys/kernel/mm/transparent_hugepage/shmem_enabled': 'always within_size advise [never] deny force\n',
  '/sys/kernel/mm/transparent_hugepage/hpage_pmd_size': '2097152\n',
  '/dev/shm/.keep': '',
  '/sys/class/rtc/rtc0/name': 'rtc_cmos 00:03\n',
};

const without = (files: Record<string, string | Buffer>, ...names: string[]): Record<string, string | Buffer> =>
  Object.fromEntries(Object.entries(files).filter(([name]) => !names.includes(name)));

export const COMPLETE: Machine = { files: everything };

/** Raspberry Pi OS as it is flashed: PSI and the memory cgroup off, 16 KiB pages, no clock, an ordinary user. */
export const RASPBERRY_PI_5: Machine = {
  architecture: 'arm64',
  files: {
    ...without(
      everything,
      '/proc/pressure/memory',
      '/sys/class/rtc/rtc0/name',
      '/sys/kernel/mm/transparent_hugepage/shmem_enabled',
    ),
    '/proc/device-tree/model': 'Raspberry Pi 5 Model B Rev 1.0\0',
    '/proc/self/auxv': auxiliaryVector(16384),
    '/sys/kernel/mm/transparent_hugepage/hpage_pmd_size': '33554432\n',
    '/proc/self/status': status(1000, '0000000000000000'),
    '/proc/cgroups': '#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t80\t0\n',
    '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io pids\n',
    '/proc/swaps': SWAPS,
    '/sys/class/gpio/export': '',
    '/sys/class/gpio/gpiochip571/label': 'pinctrl-rp1\n',
    '/sys/class/gpio/gpiochip571/base': '571\n',
    '/sys/class/gpio/gpiochip571/ngpio': '54\n',
  },
  trials: {
    watchPressure: async () => ({ method: 'none', windowMicros: 0, reason: 'no such file' }),
    hugeMount: async () => ({ ok: false, reason: 'unshare: unshare failed: Operation not permitted' }),
    clock: async () => ({ known: true, synced: false }),
    onoff: async () => ({ ok: false, reason: "Cannot find package 'onoff'" }),
    i2cBus: async () => ({ ok: false, reason: "Cannot find package 'i2c-bus'" }),
    hasProgram: (name) => name === 'python3',
  },
};

/** A control domain on ARM, with Xen's devices. Bit 17 of the features: direct-mapped. */
export const XEN_DOM0: Machine = {
  architecture: 'arm64',
  files: {
    ...everything,
    '/proc/device-tree/model': 'linux,dummy-virt\0',
    '/sys/hypervisor/type': 'xen\n',
    '/sys/hypervisor/version/major': '4\n',
    '/sys/hypervisor/version/minor': '20\n',
    '/sys/hypervisor/version/extra': '.0\n',
    '/sys/hypervisor/properties/features': '00022825\n',
    '/proc/xen/capabilities': 'control_d\n',
    '/dev/xen/evtchn': '',
    '/dev/xen/gntdev': '',
    '/dev/xen/gntalloc': '',
    '/dev/xen/xenbus': '',
    '/sys/module/xen_gntalloc/parameters/limit': '1024\n',
    '/sys/devices/system/xen_memory/xen_memory0/target_kb': '786432\n',
    '/sys/devices/system/xen_memory/xen_memory0/info/current_kb': '786432\n',
  },
};

/** A guest of it whose kernel has no balloon driver and whose gntalloc module is not loaded. Bit 16: not direct-mapped. */
export const XEN_GUEST: Machine = {
  architecture: 'arm64',
  files: {
    ...without(
      XEN_DOM0.files,
      '/dev/xen/gntalloc',
      '/sys/module/xen_gntalloc/parameters/limit',
      '/sys/devices/system/xen_memory/xen_memory0/target_kb',
      '/proc/pressure/memory',
    ),
    '/sys/hypervisor/properties/features': '00012825\n',
    '/proc/xen/capabilities': '',
  },
};

/** A Docker container without rights: cgroup v2 is not handed down, no namespaces, a small /dev/shm. */
export const CONTAINER: Machine = {
  files: {
    ...everything,
    '/.dockerenv': '',
    '/sys/fs/cgroup/cgroup.controllers': '\n',
    '/proc/self/status': status(1000, '0000000000000000'),
    '/proc/self/limits': limits(40, 50, 65536),
    '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n',
  },
  trials: {
    hugeMount: async () => ({ ok: false, reason: 'unshare: write failed /proc/self/uid_map: Operation not permitted' }),
    watchPressure: async () => ({ method: 'trigger', windowMicros: 2_000_000, reason: 'no trigger of 1 s' }),
    clock: async () => ({ known: false, reason: 'adjtimex was refused' }),
  },
};

const allWell: Trials = {
  foreignCalls: async () => ({ ok: true }),
  hugeMount: async () => ({ ok: true }),
  watchPressure: async () => ({ method: 'trigger', windowMicros: 1_000_000 }),
  clock: async () => ({ known: true, synced: true }),
  onoff: async () => ({ ok: true }),
  i2cBus: async () => ({ ok: true }),
  xenScheduler: async () => ({ ok: true, value: 'credit2' }),
  hasProgram: () => true,
};

export async function factsOf(t: TestContext, machine: Machine): Promise<MachineFacts> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-doctor-'));
  t.after(() => fs.rmSync(root, { recursive: true, force: true }));
  for (const [file, content] of Object.entries(machine.files)) {
    fs.mkdirSync(path.join(root, path.dirname(file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), content);
  }
  const { architecture = 'x64', nodeVersion = '20.19.0', platform = 'linux' } = machine;
  const trials = { ...allWell, ...machine.trials };
  return gatherFacts({ root, trials, platform, architecture, nodeVersion, pid: 1 });
}

/** The findings by id. */
export function judged(facts: MachineFacts): ReadonlyMap<string, Finding> {
  return new Map(judgeAll(CHECKS, facts).map((finding) => [finding.id, finding]));
}
