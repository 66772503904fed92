import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { errorMessage } from '../../../errors.ts';
import { formatBytes } from '../../../units.ts';

/** Somewhere for the kernel to put memory that it takes from others. */
export interface Swap {
  /** For people: `zram`, `a file`. */
  readonly kind: string;
  /** As it was before. */
  off(): void;
}

/** Swap that the machine has, or else makes for the time of the bench: zram, a file, or nothing and the reasons. */
export function takeSwap(byteLength: number): Swap | { readonly reason: string } {
  const free = freeSwapBytes(fs.readFileSync('/proc/swaps', 'latin1'));
  if (free >= byteLength) return { kind: `what the machine has (${formatBytes(free)} free)`, off: () => {} };
  const reasons: string[] = [];
  for (const make of [zramSwap, fileSwap]) {
    try {
      return make(byteLength);
    } catch (error) {
      reasons.push(errorMessage(error));
    }
  }
  return { reason: reasons.join('; ') };
}

/** `Filename Type Size Used Priority` under a head line, in KiB: proc_swaps(5). */
export function freeSwapBytes(text: string): number {
  let free = 0;
  for (const line of text.split('\n').slice(1)) {
    const [, , size, used] = line.trim().split(/\s+/);
    if (size !== undefined && used !== undefined) free += (Number(size) - Number(used)) * 1024;
  }
  return free;
}

const ZRAM_CONTROL = '/sys/class/zram-control';

function zramSwap(byteLength: number): Swap {
  const id = fs.readFileSync(`${ZRAM_CONTROL}/hot_add`, 'latin1').trim();
  const remove = (): void => fs.writeFileSync(`${ZRAM_CONTROL}/hot_remove`, id);
  try {
    fs.writeFileSync(`/sys/block/zram${id}/disksize`, String(byteLength));
    return { kind: 'zram', off: switchOn(`/dev/zram${id}`, remove) };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Not in /tmp, which may be a tmpfs; the kernel swaps to no tmpfs. */
const FOLDER = '/var/tmp';

function fileSwap(byteLength: number): Swap {
  const file = path.join(FOLDER, `memtide-bench-${process.pid}.swap`);
  const remove = (): void => fs.rmSync(file, { force: true });
  try {
    // Written, not merely made longer: a file with holes is refused.
    const fd = fs.openSync(file, 'wx', 0o600);
    const block = Buffer.alloc(1024 * 1024);
    for (let written = 0; written < byteLength; written += block.length) fs.writeSync(fd, block);
    fs.closeSync(fd);
    return { kind: 'a file', off: switchOn(file, remove) };
  } catch (error) {
    remove();
    throw error;
  }
}

/** @returns how to switch it off. @throws the program's own words. */
function switchOn(device: string, remove: () => void): () => void {
  run('mkswap', device);
  run('swapon', device);
  return () => {
    run('swapoff', device);
    remove();
  };
}

function run(program: string, argument: string): void {
  const { error, status, stderr } = spawnSync(program, [argument], { encoding: 'utf8' });
  if (error || status !== 0) throw new Error(`${program} ${argument}: ${error?.message ?? stderr.trim()}`);
}
