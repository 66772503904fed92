import { EXIT, MemtideError } from '../errors.ts';

export interface GuestConfig {
  /** Undefined where it is none that is written out. */
  readonly name: string | undefined;
  /** What the guest is created with: on ARM all of it is needed then. */
  readonly memoryMib: number;
}

/**
 * What matters of a domain config, which is Python's syntax in part: `name`, `memory = 256`, and `maxmem` where that is more.
 * Source: Xen, docs/man/xl.cfg.5.
 */
export function parseGuestConfig(text: string, file: string): GuestConfig {
  const find = (key: string): number | undefined => {
    const value = new RegExp(`^\\s*${key}\\s*=\\s*["']?(\\d+)["']?\\s*(?:#.*|;.*)?$`, 'm').exec(text)?.[1];
    return value === undefined ? undefined : Number(value);
  };
  const memory = find('memory');
  const name = /^\s*name\s*=\s*(["'])([\w.+-]+)\1\s*(?:#.*|;.*)?$/m.exec(text)?.[2];
  if (memory !== undefined && memory > 0) return { name, memoryMib: Math.max(memory, find('maxmem') ?? 0) };
  throw new MemtideError({
    operation: 'read a domain config',
    object: file,
    expected: 'a line: memory = MIB',
    remedy: 'add it: what xl assumes otherwise is not known here',
    exitCode: EXIT.usage,
  });
}
