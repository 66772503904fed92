/** Checks of GPIO and I2C. */
import { type Check, degraded, type Judgement, notApplicable, ok } from './check.ts';
import type { DeviceFacts, MachineFacts } from './facts.ts';
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

export const isDenied = ({ access }: DeviceFacts): boolean => access === 'denied';
const joinGroup = (group: string): string => `usermod -aG ${group} "$USER" and log in again, or start memtide as root`;
