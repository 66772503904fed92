/** The cgroup file system as the budget uses it. Passed in, so that tests can run on a model of a kernel. */
import { accessSync, constants, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';

export interface CgroupFiles {
  /** @throws a Node system error. */
  read(path: string): string;
  /** One write(2): the kernel takes a cgroup file's new value whole. @throws a Node system error. */
  write(path: string, value: string): void;
  makeDirectory(path: string): void;
  removeDirectory(path: string): void;
  /** Names of the cgroups directly below `path`. */
  children(path: string): string[];
  writable(path: string): boolean;
}

export const cgroupFiles: CgroupFiles = {
  read: (path) => readFileSync(path, 'latin1'),
  write: (path, value) => writeFileSync(path, value, { flag: 'r+' }),
  makeDirectory: (path) => mkdirSync(path),
  removeDirectory: (path) => rmdirSync(path),
  children: (path) =>
    readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name),
  writable: (path) => {
    try {
      accessSync(path, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
};
