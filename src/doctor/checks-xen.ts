/** Checks of what a Xen domain is given. */
import { formatBytes, MIB } from '../units.ts';
import { XEN_PAGE_BYTES } from '../xen/page-size.ts';
import { type Check, degraded, type Judgement, missing, notApplicable, ok } from './check.ts';
import { isDenied } from './checks-wires.ts';
import type { XenFacts } from './facts.ts';

/** What 64 grant frames hold, which is Xen's default for a domain. */
const LEAST_GRANTABLE_BYTES = 128 * MIB;

/** A check that only means something in a Xen domain. */
function inXen(id: string, title: string, judge: (xen: XenFacts) => Judgement): Check {
  return {
    id,
    area: 'Xen',
    title,
    judge: ({ xen }) => (xen === undefined ? notApplicable('not in a Xen domain') : judge(xen)),
  };
}

export const XEN_CHECKS: readonly Check[] = [
  inXen('xen-role', 'Xen', ({ role, version }) =>
    ok(`${version ?? 'unknown version'}, ${role === 'control' ? 'control domain (dom0)' : 'guest (domU)'}`),
  ),
  inXen('xen-devices', 'Xen devices', ({ devices }) => {
    const absent = devices.filter(({ access }) => access === 'absent').map(({ path }) => path);
    const denied = devices.filter(isDenied).map(({ path }) => path);
    const consequence = 'no shared pages and event channels between domains: only MQTT is left for coordination';
    if (absent.length > 0) {
      return missing(`${absent.join(', ')} missing`, consequence, [
        'modprobe -a xen-evtchn xen-gntdev xen-gntalloc xenfs',
      ]);
    }
    if (denied.length > 0)
      return missing(`no permission for ${denied.join(', ')}`, consequence, ['start memtide as root']);
    return ok(devices.map(({ path }) => path.replace('/dev/xen/', '')).join(', '));
  }),
  inXen('xen-grants', 'Grants', ({ grantablePages, devices }) => {
    if (grantablePages === undefined) {
      const loaded = devices.some(({ path, access }) => path.endsWith('gntalloc') && access !== 'absent');
      return loaded ? ok('the limit is not told') : notApplicable('xen-gntalloc is not loaded');
    }
    const size = `${grantablePages} pages, ${formatBytes(grantablePages * XEN_PAGE_BYTES)}`;
    if (grantablePages * XEN_PAGE_BYTES >= LEAST_GRANTABLE_BYTES) return ok(size);
    return degraded(size, 'memory beyond that cannot be shared with another domain', [
      `echo ${LEAST_GRANTABLE_BYTES / XEN_PAGE_BYTES} > /sys/module/xen_gntalloc/parameters/limit`,
    ]);
  }),
  inXen('xen-scheduler', 'Scheduler of Xen', ({ role, scheduler }) => {
    if (scheduler.ok) return ok(scheduler.value);
    if (role === 'guest') return notApplicable(scheduler.reason);
    return degraded(
      `not known: ${scheduler.reason}`,
      'its constructs (rate limit, weights, pinning) are not looked after',
      ['apt install xen-utils-common, and run as root'],
    );
  }),
  inXen('xen-balloon', 'Balloon driver', ({ balloon }) => {
    const consequence = 'this domain’s reservation cannot follow its need; leases still work';
    if (balloon === undefined) {
      return missing('not in this kernel', consequence, ['use a kernel with CONFIG_XEN_BALLOON']);
    }
    const held =
      balloon.currentKib === undefined ? 'size unknown' : `holds ${Math.round(balloon.currentKib / 1024)} MiB`;
    if (balloon.target === 'denied')
      return missing(`${held}, target not writable`, consequence, ['start memtide as root']);
    return ok(held);
  }),
  inXen('xen-direct-map', 'Direct-mapped', ({ directMapped, role }) => {
    if (directMapped === true) {
      return degraded('yes', 'memory that this domain balloons out never reaches Xen’s free heap: it is no donor', [
        'cap it at boot (dom0_mem=) and leave Xen a free heap',
      ]);
    }
    if (directMapped === false) return ok('no: what it gives back, others can have');
    return role === 'control'
      ? degraded('Xen does not say; a control domain on ARM is', 'it is treated as no donor')
      : ok('Xen does not say; a guest is not, unless its config says so');
  }),
];
