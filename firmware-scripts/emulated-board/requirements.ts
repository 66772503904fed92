/** What the emulated board needs on this machine, all of it from Debian's or Ubuntu's packages. */
import fs from 'node:fs';
import path from 'node:path';

const PROGRAMS: Readonly<Record<string, string>> = {
  'qemu-system-aarch64': 'qemu-system-arm',
  mmdebstrap: 'mmdebstrap',
  mke2fs: 'e2fsprogs',
  cpio: 'cpio',
  depmod: 'kmod',
  setpriv: 'util-linux',
};

/** Whether a program of that name can be run. @param searchPath $PATH. */
export function hasProgram(name: string, searchPath: string = process.env.PATH ?? ''): boolean {
  return [...searchPath.split(path.delimiter), '/usr/sbin', '/sbin'].some((folder) =>
    fs.existsSync(path.join(folder, name)),
  );
}

/** @returns why the board cannot run here, in one line with the mend; `undefined` where it can. */
export function whatIsMissing(searchPath: string, uid: number): string | undefined {
  const missing = Object.keys(PROGRAMS).filter((program) => !hasProgram(program, searchPath));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((program) => PROGRAMS[program]))];
    return `no ${missing.join(', ')} here (apt install ${packages.join(' ')})`;
  }
  return uid === 0 ? undefined : 'the image of another architecture is made as root only (sudo)';
}
