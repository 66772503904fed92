import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

/** A folder of files that stands for /proc or for a cgroup; removed when the test ends. */
export function fixtureTree(test: TestContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'memtide-pressure-'));
  test.after(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) put(root, path, text);
  return root;
}

export function put(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

export const PSI =
  'some avg10=1.50 avg60=0.20 avg300=0.03 total=123456\nfull avg10=0.25 avg60=0.10 avg300=0.00 total=4567\n';
export const MEMINFO =
  'MemTotal:        2048000 kB\nMemFree:          100000 kB\nMemAvailable:    1024000 kB\nSwapCached:            7 kB\n';
export const VMSTAT =
  'nr_free_pages 6094\nallocstall_normal 3\nallocstall_movable 4\npgmajfault 1284\npgscan_kswapd 55\npgscan_direct 66\npgscan_direct_throttle 9\noom_kill 2\n';

/** A /proc with what all domains share. */
export const MACHINE = { 'pressure/memory': PSI, meminfo: MEMINFO, vmstat: VMSTAT };

export interface FixtureProcess {
  readonly parent: number;
  readonly session?: number;
  readonly name?: string;
  readonly virtualKib?: number;
  readonly anonKib: number;
  readonly shmemKib?: number;
}

/** The two files of one process, in the kernel's form. */
export function processFiles(pid: number, process: FixtureProcess): Record<string, string> {
  const { parent, session = 1, name = 'prog', virtualKib = 10_000 + pid, anonKib, shmemKib = 0 } = process;
  return {
    [`${pid}/stat`]: `${pid} (${name}) S ${parent} ${session} ${session} 0 -1 4194560 1084 0\n`,
    [`${pid}/status`]: `Name:\t${name}\nVmSize:\t ${virtualKib} kB\nVmRSS:\t 99999 kB\nRssAnon:\t ${anonKib} kB\nRssFile:\t 4000 kB\nRssShmem:\t ${shmemKib} kB\n`,
  };
}

/** `lastPid` is what tells the reader that something was created. */
export const loadavg = (lastPid: number): string => `0.60 0.30 0.15 2/87 ${lastPid}\n`;
