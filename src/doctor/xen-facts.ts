/** What a Xen domain can see of its hypervisor in /sys/hypervisor, /proc/xen and /dev/xen. */
import fs from 'node:fs';
import { isDirectMapped } from '../xen/features.ts';
import type { Answer, XenFacts } from './facts.ts';
import type { FileTree } from './file-tree.ts';

/** `undefined` outside Xen. @param scheduler asks the toolstack; only the control domain can. */
export async function xenFacts(
  tree: FileTree,
  scheduler: () => Promise<Answer<string>>,
): Promise<XenFacts | undefined> {
  if (tree.text('/sys/hypervisor/type') !== 'xen') return undefined;
  const role = tree.text('/proc/xen/capabilities')?.includes('control_d') ? 'control' : 'guest';
  return {
    role,
    version: version(tree),
    devices: ['evtchn', 'gntdev', 'gntalloc', 'xenbus'].map((name) => ({
      path: `/dev/xen/${name}`,
      access: tree.access(`/dev/xen/${name}`),
    })),
    balloon: balloon(tree),
    grantablePages: tree.number('/sys/module/xen_gntalloc/parameters/limit'),
    scheduler:
      role === 'control' ? await scheduler() : { ok: false, reason: 'Xen tells it to the control domain only' },
    directMapped: isDirectMapped(tree.text('/sys/hypervisor/properties/features')),
  };
}

function version(tree: FileTree): string | undefined {
  const part = (name: string): string => tree.text(`/sys/hypervisor/version/${name}`) ?? '';
  const [major, minor] = [part('major'), part('minor')];
  return major === '' || minor === '' ? undefined : `${major}.${minor}${part('extra')}`;
}

const BALLOON = '/sys/devices/system/xen_memory/xen_memory0';

function balloon(tree: FileTree): XenFacts['balloon'] {
  const target = tree.access(`${BALLOON}/target_kb`, fs.constants.W_OK);
  return target === 'absent' ? undefined : { currentKib: tree.number(`${BALLOON}/info/current_kb`), target };
}
