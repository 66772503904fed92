import { MemtideError } from '../../errors.ts';

/** What the names that xenstored refuses with mean (xs_wire.h, xsd_errors; EQUOTA is oxenstored's), and the mend. */
const MEANING: Readonly<Record<string, readonly [meaning: string, remedy: string]>> = {
  EACCES: [
    'this domain may not do that there',
    'a guest may write below its own data node only; dom0 grants more with xenstore-chmod',
  ],
  EPERM: ['this domain may not ask for that', 'run it in dom0'],
  ENOENT: ['there is no such node, or no such transaction any more', 'create its parent first'],
  EEXIST: ['it is there already', 'remove it first'],
  EINVAL: ['xenstored found the request malformed', 'see the path and value above'],
  ENOSPC: quota(),
  EQUOTA: quota(),
  EDQUOT: quota(),
  ENOMEM: ['xenstored has no memory left', 'see what fills it: xenstore-ls'],
  E2BIG: ['more than one message carries', 'store less in one node'],
  EAGAIN: ['other writers were in between', 'try again'],
  EBUSY: ['xenstored is busy with something else', 'try again'],
  ENOSYS: ['this xenstored does not know the request', 'use a newer Xen'],
  EROFS: ['xenstored accepts no changes over this connection', 'use its read-write socket'],
  EIO: ['xenstored failed', 'see its log, /var/log/xen/'],
};

function quota(): readonly [string, string] {
  return [
    'a quota of this domain is used up, or the value is above what one node may hold',
    'remove nodes or watches that nobody needs, or raise the quota (xenstored --quota)',
  ];
}

/** @param code the name that xenstored answered with: `EACCES`. */
export function refusal(operation: string, object: string, code: string): MemtideError {
  const [meaning, remedy] = MEANING[code] ?? ['a refusal that memtide does not know', 'see the log of xenstored'];
  return new MemtideError({ operation, object, actual: `${code}: ${meaning}`, remedy });
}

/** An answer that the protocol does not allow. */
export const malformedAnswer = (operation: string, object: string, expected: string, payload: Buffer): MemtideError =>
  new MemtideError({
    operation,
    object,
    expected,
    actual: `${payload.length} bytes: ${JSON.stringify(payload.subarray(0, 40).toString('latin1'))}`,
    remedy: 'whoever answers is no xenstored that memtide knows; see which process owns the socket',
  });
