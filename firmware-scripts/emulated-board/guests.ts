/** The guests of a board: what its domain configs say of them. */
import fs from 'node:fs';
import path from 'node:path';
import { MemtideError } from '../../src/errors.ts';

export interface Guest {
  readonly name: string;
  /** On the bridge between the domains. */
  readonly address: string;
  /** The domain config, as text. */
  readonly config: string;
}

/** @param folder `boards/<vendor>/<board>/domains`. @returns the guests, by name. */
export function readGuests(folder: string): Guest[] {
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.cfg'))
    .sort()
    .map((name) => parseGuest(path.join(folder, name)));
}

/** The same guest, booted with another amount of memory. */
export function withMemory(guest: Guest, mib: number): Guest {
  const config = guest.config.replaceAll(/^(memory|maxmem)\s*=\s*\d+$/gm, `$1 = ${mib}`);
  return { ...guest, config };
}

function parseGuest(file: string): Guest {
  const config = fs.readFileSync(file, 'utf8');
  const find = (what: string, form: RegExp): string => {
    const value = form.exec(config)?.[1];
    if (value !== undefined) return value;
    throw new MemtideError({ operation: 'read a domain config', object: file, expected: what, remedy: 'add it' });
  };
  return {
    name: find('a line: name = "…"', /^name\s*=\s*"([a-z0-9-]+)"$/m),
    address: find('memtide.ip=… in "extra"', /\bmemtide\.ip=([0-9.]+)/),
    config,
  };
}
