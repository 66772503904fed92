import { EXIT, errorCode, errorMessage, MemtideError } from '../../errors.ts';
import type { ByteStream } from './byte-stream.ts';
import { DeviceStream } from './device-stream.ts';
import { SocketStream } from './socket-stream.ts';

/** Where xenstored is looked for, in the order of Xen's own library (tools/libs/store/xs.c). */
export const XENSTORE_PLACES = [
  { path: '/run/xenstored/socket', kind: 'socket' },
  { path: '/var/run/xenstored/socket', kind: 'socket' },
  { path: '/dev/xen/xenbus', kind: 'device' },
  { path: '/proc/xen/xenbus', kind: 'device' },
] as const;

/**
 * Opens the first that is there: the socket in dom0, the device in a guest.
 * @throws MemtideError that says why each one failed.
 */
export async function openXenstore(
  places: ReadonlyArray<{ readonly path: string; readonly kind: 'socket' | 'device' }> = XENSTORE_PLACES,
): Promise<ByteStream> {
  const reasons: string[] = [];
  for (const { path, kind } of places) {
    try {
      return kind === 'socket' ? await SocketStream.open(path) : DeviceStream.open(path);
    } catch (error) {
      reasons.push(`${path}: ${why(error)}`);
    }
  }
  throw new MemtideError({
    operation: 'reach xenstored',
    expected: 'its socket (dom0) or the kernel’s device (a guest)',
    actual: reasons.join('; '),
    remedy:
      'in dom0 start xenstored; in a guest load xenfs or check /dev/xen; for either, run as root or be given access',
    exitCode: EXIT.unavailable,
  });
}

function why(error: unknown): string {
  switch (errorCode(error)) {
    case 'ENOENT':
      return 'not there';
    case 'ECONNREFUSED':
      return 'xenstored has ended';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not open it';
    default:
      return errorMessage(error);
  }
}
