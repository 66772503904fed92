/** Processes that take this machine for a Xen domain: the stand-in for Xen's devices (xen-devices.c) is loaded into them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../src/package-root.ts';

const SOURCE = path.join(packageRoot(), 'test/fakes/xen-devices.c');

/** @returns the library to load with LD_PRELOAD, or why there is none. @throws if the source is at fault. */
export function compileXenDevices(folder: string): { readonly library: string; readonly skip: string | false } {
  const library = path.join(folder, 'xen-devices.so');
  const args = ['-shared', '-fPIC', '-O1', '-o', library, SOURCE, '-ldl'];
  const compiled = spawnSync('cc', args, { encoding: 'utf8' });
  if (compiled.error) return { library, skip: 'no C compiler (cc) here' };
  assert.equal(compiled.status, 0, compiled.stderr);
  return { library, skip: false };
}

/**
 * Runs the tests of a file in a process of its own, which is dom0 and its guests in one: what dom0 and a guest do to each
 * other by pages and channels is there, and what the kernel and Xen do at a death is not.
 * @param url of the file that calls this: import.meta.url
 */
export function underXen(url: string, tests: () => void): void {
  if (process.env.FAKE_XEN_DIR !== undefined) {
    tests();
    return;
  }
  const file = fileURLToPath(url);
  const folder = fs.mkdtempSync('/dev/shm/memtide-xen-');
  const { library, skip } = compileXenDevices(folder);
  fs.writeFileSync(path.join(folder, 'limit-0'), '1024'); // gntalloc's, in pages
  test(`${path.basename(file)}, with a stand-in for Xen’s devices`, { skip }, () => {
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
    const env = { ...environment, LD_PRELOAD: library, FAKE_XEN_DIR: folder, FAKE_DOMID: '0' };
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { env, encoding: 'utf8', timeout: 600_000 });
    assert.equal(status, 0, `${stdout}${stderr}`);
  });
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
}

/** Descriptors of this process whose file's name fits, those of the youngest file last where files are numbered. */
export function openDescriptors(name: RegExp): number[] {
  const found = fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    const link = `/proc/self/fd/${fd}`;
    const file = fs.existsSync(link) ? fs.readlinkSync(link) : '';
    return name.test(file) ? [{ fd: Number(fd), made: Number(/\d*$/.exec(file)![0]) }] : [];
  });
  return found.sort((one, other) => one.made - other.made).map(({ fd }) => fd);
}
