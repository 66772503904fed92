/**
 * GPIO lines of a board profile: sysfs first, the programs of libgpiod where sysfs is missing. Where neither works there
 * is one reason that names both, and the agent runs on without the line.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { type Micros, millis } from '../units.ts';
import { Debounce } from './debounce.ts';
import type { GpioInput, GpioOutput, GpioResult, OnEdge, OnFailure } from './gpio-line.ts';
import { openProgramInput, openProgramOutput, type ProgramAccess } from './gpio-programs.ts';
import { openSysfsInput, openSysfsOutput, type SysfsAccess } from './gpio-sysfs.ts';
import type { ButtonBinding, GpioBinding } from './profile.ts';

export type GpioAccess = SysfsAccess & ProgramAccess;

/** The machine's own GPIO. @param env where PATH finds the programs of libgpiod. */
export function systemGpio(env: ProgramAccess['env']): GpioAccess {
  return { root: '/', loadOnoff: () => import('onoff'), sleep: (duration) => sleep(duration), env };
}

/** An output, at 0 when it opens: a burst marker or a status LED. @param onFailure told of failures after opening. */
export async function openOutput(
  binding: GpioBinding,
  onFailure: OnFailure,
  access: GpioAccess,
): Promise<GpioResult<GpioOutput>> {
  const sysfs = await openSysfsOutput(binding, onFailure, access);
  return sysfs.ok ? sysfs : either(sysfs.reason, await openProgramOutput(binding, onFailure, access));
}

/**
 * A button: `onPress` is called at each press, with the instant at which the edge reached this process.
 * @param onFailure told of failures after opening.
 */
export async function openButton(
  binding: ButtonBinding,
  onPress: (at: Micros) => void,
  onFailure: OnFailure,
  access: GpioAccess & { readonly clock: Clock },
): Promise<GpioResult<GpioInput>> {
  const debounce = new Debounce(millis(binding.debounce_ms));
  const onEdge: OnEdge = (level) => {
    const at = access.clock.monotonicMicros();
    if (debounce.isPress(at, level)) onPress(at);
  };
  const sysfs = await openSysfsInput(binding, onEdge, onFailure, access);
  return sysfs.ok ? sysfs : either(sysfs.reason, await openProgramInput(binding, onEdge, onFailure, access));
}

function either<Line>(sysfsReason: string, programs: GpioResult<Line>): GpioResult<Line> {
  return programs.ok ? programs : { ok: false, reason: `sysfs: ${sysfsReason}; libgpiod: ${programs.reason}` };
}
