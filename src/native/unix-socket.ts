import fs from 'node:fs';
import koffi from 'koffi';
import { MemtideError } from '../errors.ts';
import { errnoName } from './libc.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
/** sun_path of struct sockaddr_un, behind the 16-bit family. */
const PATH_BYTES = 108;

const libc = koffi.load(null);
const socket = libc.func('int socket(int, int, int)') as (domain: number, type: number, protocol: number) => number;
const connect = libc.func('int connect(int, const uint8_t*, uint32_t)') as (
  fd: number,
  address: Uint8Array,
  length: number,
) => number;

/**
 * A connection to a Unix socket as a plain descriptor, for who blocks on it with `fs.readSync`: Node's own sockets never
 * block. The caller closes it.
 */
export function connectUnixSocket(path: string): number {
  const fail = (actual: string): never => {
    throw new MemtideError({ operation: 'connect to a socket', object: path, actual });
  };
  const name = Buffer.from(path);
  if (name.length >= PATH_BYTES) fail(`a path of ${name.length} bytes, and at most ${PATH_BYTES - 1} fit`);
  const address = new Uint8Array(2 + PATH_BYTES);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail(errnoName());
  if (connect(fd, address, address.length) === 0) return fd;
  const reason = errnoName();
  fs.closeSync(fd);
  return fail(reason);
}
