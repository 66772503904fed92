/**
 * GPIO chips as sysfs shows them (Linux, Documentation/admin-guide/gpio/sysfs.rst):
 *
 *     /sys/class/gpio/gpiochip512/label   pinctrl-bcm2711
 *                                /base    512
 *                                /ngpio   58
 *
 * The number in a chip's name is the base of its lines, and it changes: 0 on older kernels, 512, 522 or 571 on newer
 * ones. So a line is given as label and offset, and its number is worked out here, each time.
 */
import fs from 'node:fs';
import path from 'node:path';
import { errorCode, errorMessage } from '../errors.ts';

export interface GpioChip {
  readonly label: string;
  /** Number of the chip's first line in sysfs. */
  readonly base: number;
  readonly lines: number;
}

export type GpioChips =
  | { readonly ok: true; readonly chips: readonly GpioChip[] }
  /** sysfs GPIO is not there; `code` is that of the system error. */
  | { readonly ok: false; readonly code: string | undefined; readonly reason: string };

/** The chips in `<root>/sys/class/gpio`, lowest base first. */
export function readGpioChips(root: string): GpioChips {
  const directory = path.join(root, 'sys/class/gpio');
  try {
    const chips = fs
      .readdirSync(directory)
      .filter((entry) => /^gpiochip\d+$/.test(entry))
      .map((entry): GpioChip => {
        const read = (file: string) => fs.readFileSync(path.join(directory, entry, file), 'utf8').trim();
        return { label: read('label'), base: Number(read('base')), lines: Number(read('ngpio')) };
      });
    return { ok: true, chips: chips.sort((a, b) => a.base - b.base) };
  } catch (error) {
    const code = errorCode(error);
    const reason = code === 'ENOENT' ? 'this kernel has no sysfs GPIO (CONFIG_GPIO_SYSFS)' : errorMessage(error);
    return { ok: false, code, reason };
  }
}

export type ChipChoice<Chip> =
  | { readonly ok: true; readonly chip: Chip }
  | { readonly ok: false; readonly reason: string };

/** The one chip with `label` that has a line `line`. */
export function chooseChip<Chip extends { readonly label: string; readonly lines: number }>(
  chips: readonly Chip[],
  label: string,
  line: number,
): ChipChoice<Chip> {
  const matching = chips.filter((chip) => chip.label === label);
  const [chip] = matching;
  if (chip === undefined) {
    const present = chips.length > 0 ? `present: ${chips.map((each) => each.label).join(', ')}` : 'there is none';
    return { ok: false, reason: `no GPIO chip is labelled ${label} (${present})` };
  }
  if (matching.length > 1) return { ok: false, reason: `${matching.length} GPIO chips are labelled ${label}` };
  if (line >= chip.lines) return { ok: false, reason: `${label} has lines 0 to ${chip.lines - 1}, not ${line}` };
  return { ok: true, chip };
}
