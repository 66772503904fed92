/** Checks of GPIO, I2C and Xen. */
import { type Check, degraded, type Judgement, missing, notApplicable, ok } from './check.ts';
import type { DeviceFacts, MachineFacts, XenFacts } from './facts.ts';
import { buildOptional } from './mends.ts';

export const WIRE_CHECKS: readonly Check[] = [
  { id: 'gpio', area: 'Wires', title: 'GPIO', judge: ({ wires }) => judgeGpio(wires) },
  { id: 'i2c', area: 'Wires', title: 'I2C', judge: ({ wires, system }) => judgeI2c(wires, system.boardModel) },
  {
    id: 'package-onoff',
    area: 'Wires',
    title: 'Package onoff (with epoll)',
    judge: ({ packages }) =>
      packages.onoff.ok
        ? ok('loads')
        : degraded(
            packages.onoff.reason,
            'GPIO goes through the programs of libgpiod, in milliseconds; memory pressure is polled, not triggered',
            buildOptional(packages.missingTools),
          ),
  },
  {
    id: 'package-i2c-bus',
    area: 'Wires',
    title: 'Package i2c-bus',
    judge: ({ packages, wires }) => {
      if (packages.i2cBus.ok) return ok('loads');
      if (wires.i2cDevices.length === 0) {
        return notApplicable('not installed, and there is no I2C bus');
      }
      return degraded(packages.i2cBus.reason, NO_I2C, buildOptional(packages.missingTools));
    },
  },
];

const NO_I2C = 'no supply, temperature and clock readings over I2C';
const NO_GPIO = 'no burst marker, status LED and mark button; marks by keyboard and dashboard remain';

function judgeGpio({ gpioChips, gpioExport, gpioDevices, libgpiodPrograms }: MachineFacts['wires']): Judgement {
  if (gpioChips.ok && gpioChips.chips.length > 0) {
    const chips = gpioChips.chips.map(({ label, base, lines }) => `${label} (${lines} lines from ${base})`).join(', ');
    if (gpioExport !== 'denied') return ok(chips);
    return degraded(`${chips}; no permission`, NO_GPIO, [joinGroup('gpio')]);
  }
  if (gpioDevices.length === 0) return notApplicable('this machine has none');
  const names = gpioDevices.map(({ path }) => path).join(', ');
  if (!libgpiodPrograms) {
    return degraded(`${names}; neither sysfs GPIO nor the programs of libgpiod`, NO_GPIO, ['apt install gpiod']);
  }
  if (gpioDevices.some(isDenied)) return degraded(`${names}; no permission`, NO_GPIO, [joinGroup('gpio')]);
  return degraded(
    `${names}, through the programs of libgpiod`,
    'a burst marker comes milliseconds late: not good for latency figures',
    ['use a kernel with CONFIG_GPIO_SYSFS'],
  );
}

function judgeI2c({ i2cDevices }: MachineFacts['wires'], boardModel: string | undefined): Judgement {
  if (i2cDevices.length === 0) {
    if (boardModel === undefined) return notApplicable('this machine has none');
    const raspberryPi = boardModel.startsWith('Raspberry Pi')
      ? ['add dtparam=i2c_arm=on to config.txt and reboot']
      : [];
    return degraded('no /dev/i2c-*', NO_I2C, [...raspberryPi, 'modprobe i2c-dev']);
  }
  const names = i2cDevices.map(({ path }) => path).join(', ');
  return i2cDevices.every(isDenied) ? degraded(`${names}; no permission`, NO_I2C, [joinGroup('i2c')]) : ok(names);
}

const isDenied = ({ access }: DeviceFacts): boolean => access === 'denied';
const joinGroup = (group: string): string => `usermod -aG ${group} "$USER" and log in again, or start memtide as root`;

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
