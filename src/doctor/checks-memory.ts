/** Checks of memory: pages, huge pages, shared memory, swap, and who enforces limits. */
import { raiseLimit } from '../coordination/raise-limit.ts';
import { formatBytes, MIB } from '../units.ts';
import { type Check, degraded, type Judgement, missing, notApplicable, ok } from './check.ts';
import type { MachineFacts, RightsFacts } from './facts.ts';
import { kernelArgument } from './mends.ts';
import { hasCapability } from './rights-facts.ts';

/** Room for an arena that is worth having, beside what else lives in /dev/shm. */
const LEAST_SHARED_BYTES = 64 * MIB;

export const MEMORY_CHECKS: readonly Check[] = [
  {
    id: 'memory',
    area: 'Memory',
    title: 'Memory',
    essential: true,
    judge: ({ memory: { meminfo } }) =>
      meminfo.ok
        ? ok(`${formatBytes(meminfo.availableBytes)} available of ${formatBytes(meminfo.totalBytes)}`)
        : missing(`/proc/meminfo: ${meminfo.reason}`, 'nothing can be sized', ['mount /proc']),
  },
  {
    id: 'pages',
    area: 'Memory',
    title: 'Page size',
    judge: ({ memory: { pageBytes, hugePageBytes } }) => {
      if (pageBytes === undefined) {
        return degraded('not found in /proc/self/auxv', '4 KiB is assumed', ['mount /proc']);
      }
      const huge = hugePageBytes === undefined ? 'no huge pages' : `huge pages of ${formatBytes(hugePageBytes)}`;
      return ok(`${formatBytes(pageBytes)}, ${huge}`);
    },
  },
  {
    id: 'transparent-huge-pages',
    area: 'Memory',
    title: 'Transparent huge pages',
    judge: ({ memory: { transparentHugePages: mode } }) => {
      if (mode === 'always' || mode === 'madvise') return ok(mode);
      const consequence =
        'the best local allocation, which every burst is compared with, is measured with small pages only';
      if (mode === undefined) return degraded('not in this kernel (CONFIG_TRANSPARENT_HUGEPAGE)', consequence);
      return degraded(mode, consequence, ['echo madvise > /sys/kernel/mm/transparent_hugepage/enabled']);
    },
  },
  {
    id: 'huge-shared-memory',
    area: 'Memory',
    title: 'Huge pages in the arena',
    judge: judgeHugeMount,
  },
  {
    id: 'shared-memory',
    area: 'Memory',
    title: 'Shared memory (/dev/shm)',
    judge: ({ memory: { devShm } }) => {
      if (devShm === undefined) {
        return degraded('not mounted', 'a folder on a tmpfs must be given as run_dir', [
          'mount -t tmpfs tmpfs /dev/shm',
        ]);
      }
      const size = `${formatBytes(devShm.freeBytes)} free of ${formatBytes(devShm.totalBytes)}`;
      if (!devShm.writable) {
        return degraded(`${size}, not writable`, 'a folder on a tmpfs must be given as run_dir', [
          'chmod 1777 /dev/shm',
        ]);
      }
      if (devShm.freeBytes < LEAST_SHARED_BYTES) {
        return degraded(size, 'an arena without huge pages does not fit', [
          'mount -o remount,size=50% /dev/shm (in a container: --shm-size)',
        ]);
      }
      return ok(size);
    },
  },
  {
    id: 'swap',
    area: 'Memory',
    title: 'Swap',
    judge: ({ memory: { swapBytes, zramSwap } }) => {
      if (swapBytes === undefined) return notApplicable('this kernel has none');
      if (swapBytes === 0) {
        return degraded('none', 'a donor can give back caches only; a limit below what its programs use kills', [
          'apt install zram-tools (compressed swap in memory, no wear on the SD card)',
        ]);
      }
      return ok(`${formatBytes(swapBytes)}${zramSwap ? ', compressed in memory (zram)' : ''}`);
    },
  },
  {
    id: 'memory-cgroup',
    area: 'Memory',
    title: 'Memory limits (cgroup)',
    judge: judgeCgroup,
  },
  {
    id: 'data-limit',
    area: 'Memory',
    title: 'Memory limits (RLIMIT_DATA)',
    judge: ({ rights: { dataBytes } }) => {
      const consequence = 'a domain without a cgroup cannot be given a larger budget than that';
      if (dataBytes === undefined) return degraded('not found in /proc/self/limits', 'budgets need a cgroup');
      if (dataBytes.hard === Number.POSITIVE_INFINITY) return ok('unlimited: budgets can be set');
      return degraded(`at most ${formatBytes(dataBytes.hard)}`, consequence, ['ulimit -H -d unlimited, as root']);
    },
  },
  {
    id: 'locked-memory',
    area: 'Memory',
    title: 'Locked memory',
    judge: ({ rights }) => {
      if (hasCapability(rights, 'IPC_LOCK')) return ok('unlimited (CAP_IPC_LOCK)');
      if (rights.lockedBytes === undefined) return degraded('not found in /proc/self/limits', 'locking may be refused');
      const { soft } = rights.lockedBytes;
      if (soft === Number.POSITIVE_INFINITY) return ok('unlimited');
      if (soft >= LEAST_SHARED_BYTES) return ok(`up to ${formatBytes(soft)}`);
      return degraded(`up to ${formatBytes(soft)}`, 'lent memory beyond that may be swapped out', [
        raiseLimit('memlock'),
      ]);
    },
  },
];

function judgeHugeMount({ memory, rights }: MachineFacts): Judgement {
  if (memory.hugePageBytes === undefined) return degraded('this kernel has no huge pages', SMALL_PAGES);
  if (!memory.hugeMount.ok) {
    return degraded(memory.hugeMount.reason, SMALL_PAGES, mountSteps(memory.userNamespaces, rights));
  }
  // Of the modes only deny reaches mounts that ask for huge pages themselves (Linux, admin-guide/mm/transhuge.rst).
  if (memory.sharedHugePages === 'deny') {
    return degraded('denied to all of tmpfs', SMALL_PAGES, [
      'echo never > /sys/kernel/mm/transparent_hugepage/shmem_enabled (it still permits huge=always)',
    ]);
  }
  return ok(`${formatBytes(memory.hugePageBytes)}, by a tmpfs of its own`);
}

const SMALL_PAGES = 'the arena has small pages: touching fresh memory takes several times longer';

function mountSteps(
  { max, unprivileged, restrictedByApparmor }: MachineFacts['memory']['userNamespaces'],
  rights: RightsFacts,
) {
  if (rights.uid === 0) return ['give the container CAP_SYS_ADMIN, or start memtide outside of it'];
  if (max === 0) return ['sysctl user.max_user_namespaces=10000, or start memtide as root'];
  if (unprivileged === false) return ['sysctl kernel.unprivileged_userns_clone=1, or start memtide as root'];
  if (restrictedByApparmor) {
    return ['sysctl kernel.apparmor_restrict_unprivileged_userns=0, or start memtide as root'];
  }
  return ['allow user namespaces for this user, or start memtide as root'];
}

function judgeCgroup(facts: MachineFacts): Judgement {
  const { place, controllerEnabled } = facts.cgroup;
  if (place.ok && place.version === 2) return ok(`v2, below ${place.parent}`);
  if (place.ok) {
    return degraded(`v1, below ${place.parent}`, 'limits work, but a cgroup has no pressure of its own', [
      kernelArgument('systemd.unified_cgroup_hierarchy=1', facts),
    ]);
  }
  const consequence = 'domains are bounded by RLIMIT_DATA instead, and their pressure is the machine’s';
  if (controllerEnabled === false) {
    return missing('the kernel has the memory controller switched off', consequence, [
      kernelArgument('cgroup_enable=memory', facts),
    ]);
  }
  return degraded(place.reason, consequence, [place.remedy]);
}
