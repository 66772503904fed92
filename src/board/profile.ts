/**
 * The shape of `boards/<vendor>/<board>/board.json`: what is soldered on and wired up, and how much of it was seen to
 * work. Units are in the keys; unknown keys are refused. What a board lacks is left out.
 */
import { z } from 'zod';

const MAX_MIB = 1024 * 1024;
const NAME_FORM = '1 to 32 of a-z, 0-9 and -, neither first nor last a -';
const name = () =>
  z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/)
    .meta({ form: NAME_FORM });
const whole = (min: number, max: number) => z.int().min(min).max(max);

/**
 * A GPIO line, found by its chip's label: the number of a chip, and the base of its lines, change from one kernel to the
 * next. `gpiodetect` and `memtide doctor` list the labels.
 */
const gpioLine = z.strictObject({
  chip_label: z.string().min(1).max(64).describe('Label of the GPIO chip, as gpiodetect prints it in brackets.'),
  line: whole(0, 1023).describe('Offset of the line on that chip.'),
  active_low: z.boolean().default(false).describe('True where the low level means on, or pressed.'),
});

const button = gpioLine.extend({
  debounce_ms: whole(0, 1000)
    .default(50)
    .describe(
      'Edges this soon after the last one are bounces of the same press; 50 outlasts those of common switches.',
    ),
});

// 0x03 to 0x77: the others are reserved by the I2C specification (UM10204, table 4).
const ADDRESS_FORM = 'a 7-bit address from 0x03 to 0x77, in hexadecimal, as data sheets write it';
const address = z
  .string()
  .regex(/^0x(?:0[3-9a-f]|[1-6][0-9a-f]|7[0-7])$/i)
  .meta({ form: ADDRESS_FORM })
  .describe('Address of the chip on the bus.');

const onBus = {
  name: name().describe('What it measures: supply, soc, …'),
  bus: whole(0, 255).describe('N of /dev/i2c-N.'),
  address,
};
const shuntMilliohm = z
  .number()
  .min(0.1)
  .max(10_000)
  .describe('Resistance of the shunt, in milliohms. 100 on the common INA219 breakout boards.');

const i2cDevice = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('ina219'), ...onBus, shunt_milliohm: shuntMilliohm }),
  z.strictObject({ kind: z.literal('ina226'), ...onBus, shunt_milliohm: shuntMilliohm }),
  z.strictObject({ kind: z.literal('tmp102'), ...onBus }),
  z.strictObject({ kind: z.literal('lm75'), ...onBus }),
  z.strictObject({ kind: z.literal('ds3231'), ...onBus }),
]);

const memory = z.strictObject({
  total_mib: whole(16, MAX_MIB)
    .optional()
    .describe('Memory that is soldered on. Left out where the profile fits machines of several sizes.'),
  control_domain_mib: whole(64, MAX_MIB)
    .optional()
    .describe('What the control domain gets at boot (Xen: dom0_mem). It is direct-mapped on ARM and no donor.'),
  domain_floor_mib: whole(16, MAX_MIB).describe('Below this nobody takes memory from a domain on this board.'),
  grow_beyond_boot: z
    .boolean()
    .default(false)
    .describe('Whether a guest was seen to balloon above its boot memory here. Elsewhere it oopsed the kernel.'),
});

/** How far the profile was tried, from nothing to the real thing. */
export const VERIFIED = ['none', 'built', 'emulated', 'hardware'] as const;

/** The schema, with every default. */
export const boardShape = z.strictObject({
  $schema: z.string().optional().describe('Where an editor finds the JSON Schema of this file.'),
  vendor: name().describe('The folder below boards/.'),
  name: name().describe('The folder below the vendor’s.'),
  title: z.string().min(1).max(80).describe('The board’s name as people say it.'),
  verified: z
    .enum(VERIFIED)
    .describe(
      'none: written from data sheets. built: an image was built. emulated: run in an emulator or a virtual machine. hardware: run on the board.',
    ),
  verified_how: z.string().min(1).max(400).describe('What was run, where, and what was not there to be tried.'),
  architectures: z.array(z.enum(['arm64', 'x64'])).min(1),
  hypervisor: z.enum(['none', 'xen']),
  memory,
  gpio: z
    .strictObject({
      burst_marker: gpioLine.optional().describe('Output: high from start to end of a burst, for a logic analyser.'),
      status_led: gpioLine.optional().describe('Output: on while the agent runs.'),
      mark_button: button.optional().describe('Input: a press marks the moment in the drive log.'),
    })
    .prefault({}),
  i2c: z.array(i2cDevice).max(16).default([]),
});

/** A board profile, checked and complete. */
export type BoardProfile = z.output<typeof boardShape>;
/** One GPIO line of a profile. */
export type GpioBinding = z.output<typeof gpioLine>;
export type ButtonBinding = z.output<typeof button>;
/** One I2C chip of a profile. */
export type I2cBinding = z.output<typeof i2cDevice>;
