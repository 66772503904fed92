/**
 * The balloon driver of this domain, through sysfs. A target is taken at once and reached in the background, 2 MiB at a
 * time. Source: Linux, drivers/xen/balloon.c and xen-balloon.c.
 */
import fs from 'node:fs';
import path from 'node:path';
import { errorCode, MemtideError } from '../../errors.ts';
import { MeminfoReader } from '../../pressure/meminfo.ts';
import { type Bytes, bytes, KIB } from '../../units.ts';

export interface BalloonDriver {
  /** What the domain holds: pages that Xen has given it. */
  current(): Bytes;
  /** What it was last told to hold. */
  target(): Bytes;
  /** Multiples of 4 KiB. */
  setTarget(target: Bytes): void;
  /** What could be given up without anybody noticing: MemAvailable without the code of what runs. */
  available(): Bytes;
}

export const XEN_MEMORY = '/sys/devices/system/xen_memory/xen_memory0';

/** @throws MemtideError in a domain without the driver. */
export function systemBalloon(folder: string = XEN_MEMORY, meminfoFile = '/proc/meminfo'): BalloonDriver {
  const meminfo = new MeminfoReader(meminfoFile);
  const read = (name: string): Bytes =>
    bytes(Number(attempt(folder, name, (file) => fs.readFileSync(file, 'latin1'))) * KIB);
  read('info/current_kb');
  return {
    current: () => read('info/current_kb'),
    target: () => read('target_kb'),
    setTarget: (target) => attempt(folder, 'target_kb', (file) => fs.writeFileSync(file, String(target / KIB))),
    available: () => {
      const result = meminfo.read();
      if (result.ok) return bytes(Math.max(0, result.availableBytes - meminfo.codeBytes));
      throw new MemtideError({ operation: 'read what is available', object: meminfoFile, actual: result.reason });
    },
  };
}

function attempt<T>(folder: string, name: string, action: (file: string) => T): T {
  const file = path.join(folder, name);
  try {
    return action(file);
  } catch (cause) {
    throw new MemtideError({
      operation: 'use the balloon driver',
      object: file,
      expected: 'a Xen domain whose kernel has CONFIG_XEN_BALLOON, and root',
      actual: errorCode(cause) ?? String(cause),
      remedy: 'memtide doctor says what this domain has',
      cause,
    });
  }
}
