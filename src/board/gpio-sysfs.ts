/**
 * GPIO lines through sysfs and the onoff package. A write is one system call of a few microseconds, so this is the way
 * whose marks are good for latency figures.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { errorCode, errorMessage } from '../errors.ts';
import { chooseChip, readGpioChips } from './gpio-chips.ts';
import type { GpioInput, GpioOutput, GpioResult, OnEdge, OnFailure } from './gpio-line.ts';
import type { GpioBinding } from './profile.ts';

/** The part of onoff that is used. */
export interface OnoffGpio {
  writeSync(value: 0 | 1): void;
  watch(callback: (error: Error | null | undefined, level: 0 | 1) => void): void;
  direction(): string;
  unexport(): void;
}
/** `high` and `low` are an output that starts at that level of the wire. */
type Direction = 'in' | 'high' | 'low';
export interface Onoff {
  readonly Gpio: new (
    line: number,
    direction: Direction,
    edge: 'none' | 'both',
    options: { activeLow: boolean },
  ) => OnoffGpio;
}

export interface SysfsAccess {
  /** `/`, or a fixture. onoff itself always uses `/sys/class/gpio`. */
  readonly root: string;
  /** @throws where the package is not installed. */
  loadOnoff(): Promise<Onoff>;
  sleep(millis: number): Promise<void>;
}

export async function openSysfsOutput(
  binding: GpioBinding,
  onFailure: OnFailure,
  access: SysfsAccess,
): Promise<GpioResult<GpioOutput>> {
  const opened = await openLine(binding, binding.active_low ? 'high' : 'low', access);
  if (!opened.ok) return opened;
  const gpio = opened.line;
  // The chip of a USB expander can go at any time; the agent stays.
  const attempt = (action: () => void) => {
    try {
      action();
    } catch (error) {
      onFailure(explain(error, binding));
    }
  };
  return {
    ok: true,
    line: {
      via: 'sysfs',
      set: (value) => attempt(() => gpio.writeSync(value)),
      close: async () => {
        attempt(() => gpio.writeSync(0));
        attempt(() => gpio.unexport());
      },
    },
  };
}

export async function openSysfsInput(
  binding: GpioBinding,
  onEdge: OnEdge,
  onFailure: OnFailure,
  access: SysfsAccess,
): Promise<GpioResult<GpioInput>> {
  const opened = await openLine(binding, 'in', access);
  if (!opened.ok) return opened;
  const gpio = opened.line;
  gpio.watch((error, level) => (error ? onFailure(explain(error, binding)) : onEdge(level)));
  return { ok: true, line: { via: 'sysfs', close: async () => gpio.unexport() } };
}

async function openLine(
  binding: GpioBinding,
  direction: Direction,
  { root, loadOnoff, sleep }: SysfsAccess,
): Promise<GpioResult<OnoffGpio>> {
  const found = readGpioChips(root);
  if (!found.ok) return found;
  const choice = chooseChip(found.chips, binding.chip_label, binding.line);
  if (!choice.ok) return choice;
  const number = choice.chip.base + binding.line;
  try {
    const { Gpio } = await loadOnoff();
    await exportLine(path.join(root, 'sys/class/gpio'), number, direction, sleep);
    const gpio = new Gpio(number, direction, direction === 'in' ? 'both' : 'none', { activeLow: binding.active_low });
    // Where the line had been exported before, onoff keeps a refused direction to itself.
    const expected = direction === 'in' ? 'in' : 'out';
    if (gpio.direction() === expected) return { ok: true, line: gpio };
    gpio.unexport();
    return { ok: false, reason: `line ${binding.line} of ${binding.chip_label} could not be made an ${expected}put` };
  } catch (error) {
    return { ok: false, reason: explain(error, binding) };
  }
}

/** How long udev may take to hand a fresh line to the gpio group: 50 × 20 ms, ten times what is usual. */
const PERMISSION_TRIES = 50;
const PERMISSION_PAUSE_MILLIS = 20;

/**
 * Exports the line and waits until its files may be written. onoff waits for that itself, but in a loop that holds the
 * whole event loop.
 */
async function exportLine(
  directory: string,
  number: number,
  direction: Direction,
  sleep: SysfsAccess['sleep'],
): Promise<void> {
  const line = path.join(directory, `gpio${number}`);
  const exported = await fs.access(line).then(
    () => true,
    () => false,
  );
  if (!exported) await fs.writeFile(path.join(directory, 'export'), String(number));
  const files = ['value', 'direction', 'active_low', ...(direction === 'in' ? ['edge'] : [])];
  for (let attempt = 1; ; attempt++) {
    try {
      for (const file of files) await fs.access(path.join(line, file), fs.constants.R_OK | fs.constants.W_OK);
      return;
    } catch (error) {
      if (attempt === PERMISSION_TRIES) throw error;
      await sleep(PERMISSION_PAUSE_MILLIS);
    }
  }
}

function explain(error: unknown, { chip_label, line }: GpioBinding): string {
  const what = `line ${line} of ${chip_label}`;
  switch (errorCode(error)) {
    case 'ERR_MODULE_NOT_FOUND':
      return 'the optional package onoff is not installed';
    case 'EBUSY':
      return `${what} is in use by a driver or another program`;
    case 'EACCES':
    case 'EPERM':
      return `no permission to use ${what}: add the user to the group gpio, or run as root`;
    case 'EINVAL':
      return `the kernel refuses ${what}: the chip does not hand it out`;
    default:
      return `${what}: ${errorMessage(error)}`;
  }
}
