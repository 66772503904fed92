/** What the study plays with on one board: a file of JSON beside the board's other data. */
import fs from 'node:fs';
import { z } from 'zod';
import { checkConfig } from '../../../config/load.ts';
import { type ConfigInput, configShape } from '../../../config/schema.ts';
import { EXIT, MemtideError } from '../../../errors.ts';
import { mebibytes } from '../../../units.ts';
import type { GuestAddress } from './guest-program.ts';
import type { StudySizes } from './schedule.ts';

const mib = () => z.int().min(16).max(1_048_576);
const guest = z.strictObject({ name: z.string().min(1), address: z.ipv4() });

const settingsShape = z.strictObject({
  guests: z.tuple([guest, guest]),
  /** Of dom0, on the bridge between the domains. */
  own_address: z.ipv4(),
  /** With what both guests were booted. */
  boot_mib: mib(),
  /** All that both may hold together under every rival. */
  total_mib: mib(),
  floor_mib: mib(),
  /** What the largest recording comes to, and the time in which each is played. */
  peak_mib: mib(),
  slot_s: z.int().min(5).max(3600),
  /** memtide's configuration, where it is another than by default. */
  memtide: configShape.pick({ pressure: true, policy: true, xen: true, log: true }).partial().strict(),
});

export interface StudySettings {
  readonly guests: readonly [GuestAddress, GuestAddress];
  readonly ownAddress: string;
  readonly sizes: StudySizes;
  readonly config: Partial<ConfigInput>;
}

/** @throws MemtideError where the file says what cannot be played. */
export function readSettings(file: string): StudySettings {
  const input = JSON.parse(fs.readFileSync(file, 'utf8')) as z.input<typeof settingsShape>;
  const read = settingsShape.safeParse(input);
  if (!read.success) throw wrong(file, z.prettifyError(read.error));
  const { guests, own_address, boot_mib, total_mib, floor_mib, peak_mib, slot_s } = read.data;
  if (total_mib / 2 < floor_mib || total_mib > 2 * boot_mib) {
    throw wrong(file, `total_mib ${total_mib}: from twice the floor to twice what a guest was booted with`);
  }
  checkConfig(input.memtide, file);
  return {
    guests,
    ownAddress: own_address,
    sizes: {
      totalBytes: mebibytes(total_mib),
      floorBytes: mebibytes(floor_mib),
      bootBytes: mebibytes(boot_mib),
      peakBytes: mebibytes(peak_mib),
      slotSeconds: slot_s,
    },
    // As it was written: defaults are each agent's own.
    config: input.memtide as Partial<ConfigInput>,
  };
}

const wrong = (file: string, actual: string): MemtideError =>
  new MemtideError({
    operation: 'read the settings of the study',
    object: file,
    actual,
    remedy: 'boards/qemu/virt-arm64/replay.json is an example',
    exitCode: EXIT.config,
  });
