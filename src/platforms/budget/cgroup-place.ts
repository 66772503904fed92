/**
 * Where on this machine a cgroup for a domain may be made: below memtide's own cgroup, if the memory controller is there
 * and the place is ours to write to. Never anywhere else: limits from above keep holding, and nobody's tree is touched.
 *
 *     /proc/self/cgroup      4:memory:/user/anna          v1: hierarchy:controllers:path
 *                            0::/user.slice/app.scope     v2: always hierarchy 0
 *     /proc/self/mountinfo   32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
 *                               root in that file system ↑  ↑ mount point
 */
import { basename, dirname, join, relative } from 'node:path';
import { errorMessage } from '../../errors.ts';
import type { CgroupFiles } from './cgroup-files.ts';

export type CgroupPlace =
  | {
      readonly ok: true;
      readonly version: 1 | 2;
      /** The cgroup that memtide runs in; a domain's is made in it. */
      readonly parent: string;
      /** v2: the controller must still be handed down, for which memtide moves itself into a leaf. */
      readonly mustDelegate: boolean;
    }
  | { readonly ok: false; readonly reason: string; readonly remedy: string };

/** Where memtide itself lives while its cgroup hands the controller down (v2: no processes in inner cgroups). */
export const AGENT_LEAF = 'memtide-agent';

type Refused = Extract<CgroupPlace, { ok: false }>;

const DELEGATE = 'start memtide under `systemd-run --user --scope -p Delegate=yes`, or use RLIMIT_DATA';

/** v2 where it has the memory controller, else v1; refused with the reasons of both. */
export function findCgroupPlace(files: CgroupFiles, procRoot: string, pid: number): CgroupPlace {
  let memberships: string;
  let mounts: Mount[];
  try {
    memberships = files.read(join(procRoot, 'self/cgroup'));
    mounts = parseMounts(files.read(join(procRoot, 'self/mountinfo')));
  } catch (error) {
    return { ok: false, reason: `no cgroups here: ${errorMessage(error)}`, remedy: 'use RLIMIT_DATA' };
  }
  const unified = findUnified(files, memberships, mounts, pid);
  if (unified.ok) return unified;
  const legacy = findLegacy(files, memberships, mounts);
  if (legacy.ok) return legacy;
  return { ok: false, reason: `v2: ${unified.reason}; v1: ${legacy.reason}`, remedy: unified.remedy };
}

/** The cgroup of version 2 that memtide runs in; undefined where none is mounted. @throws a Node system error. */
export const ownUnified = (files: Pick<CgroupFiles, 'read'>, procRoot: string): string | undefined =>
  unifiedOf(files.read(join(procRoot, 'self/cgroup')), parseMounts(files.read(join(procRoot, 'self/mountinfo'))));

function unifiedOf(memberships: string, mounts: readonly Mount[]): string | undefined {
  const mount = mounts.find(({ type }) => type === 'cgroup2');
  const path = /^0::(.*)$/m.exec(memberships)?.[1];
  return mount && path !== undefined ? directoryOf(mount, path) : undefined;
}

function findUnified(files: CgroupFiles, memberships: string, mounts: readonly Mount[], pid: number): CgroupPlace {
  const own = unifiedOf(memberships, mounts);
  if (own === undefined) return refused('not mounted');
  // A budget that was opened before has moved memtide into the leaf: the place is the one above it.
  const parent = basename(own) === AGENT_LEAF ? dirname(own) : own;
  try {
    if (!words(files.read(join(parent, 'cgroup.controllers'))).includes('memory')) {
      return refused(
        `no memory controller in ${parent}`,
        'boot with cgroup_enable=memory (Raspberry Pi: add it to cmdline.txt), have the controller delegated, or use RLIMIT_DATA',
      );
    }
    for (const file of ['.', 'cgroup.procs', 'cgroup.subtree_control']) {
      if (!files.writable(join(parent, file))) return refused(`${join(parent, file)} is not writable`, DELEGATE);
    }
    if (words(files.read(join(parent, 'cgroup.subtree_control'))).includes('memory')) {
      return { ok: true, version: 2, parent, mustDelegate: false };
    }
    // The kernel lets a cgroup hand controllers down only while no process lives in it; we may move ourselves only.
    const others = words(files.read(join(parent, 'cgroup.procs'))).filter((member) => member !== String(pid));
    if (others.length > 0) return refused(`${others.length} other processes live in ${parent}`, DELEGATE);
    return { ok: true, version: 2, parent, mustDelegate: true };
  } catch (error) {
    return refused(errorMessage(error));
  }
}

function findLegacy(files: CgroupFiles, memberships: string, mounts: readonly Mount[]): CgroupPlace {
  const mount = mounts.find(({ type, options }) => type === 'cgroup' && options.includes('memory'));
  const path = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(memberships)?.[1];
  if (!mount || path === undefined) return refused('the memory controller is not mounted');
  const parent = directoryOf(mount, path);
  if (!files.writable(parent)) return refused(`${parent} is not writable`);
  return { ok: true, version: 1, parent, mustDelegate: false };
}

const refused = (reason: string, remedy = 'use RLIMIT_DATA'): Refused => ({ ok: false, reason, remedy });

interface Mount {
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** `32 31 0:29 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory`; tags before `-` may be missing. */
function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [place, kind] = line.split(' - ');
    const [, , , root, point] = place?.split(' ') ?? [];
    const [type, , options] = kind?.split(' ') ?? [];
    if (!root || !point || !type || !options) return [];
    return [{ root: decoded(root), point: decoded(point), type, options: options.split(',') }];
  });
}

/** mountinfo writes a space as `\040`. */
const decoded = (path: string): string =>
  path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** A container may see a part of the hierarchy only: then the mount's root is cut from the path. */
const directoryOf = (mount: Mount, path: string): string => join(mount.point, relative(mount.root, path));

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');
