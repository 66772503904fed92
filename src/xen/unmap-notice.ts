/**
 * What the kernel does when a shared mapping ends, however its process ends: it clears a byte, and notifies an event
 * channel. By this the other side learns of a death. The same structure for gntalloc and gntdev.
 */
import { scratchWords } from '../native/scratch.ts';
import { call, ioc } from './device.ts';

const SET_UNMAP_NOTIFY = ioc('G', 7, 16);
const CLEAR_BYTE = 1;
const SEND_EVENT = 2;

export interface UnmapNotice {
  /** Offset into the mapping of the byte that becomes 0. */
  readonly byte: number;
  /** Port of this domain that is notified. The event channel must outlive the mapping: the kernel holds on to it. */
  readonly port: number;
}

/** @param index of the first page of the mapping, as its device named it. */
export function setUnmapNotice(fd: number, index: number, { byte, port }: UnmapNotice): void {
  writeLong(0, index + byte);
  scratchWords[2] = CLEAR_BYTE | SEND_EVENT;
  scratchWords[3] = port;
  call({
    fd,
    request: SET_UNMAP_NOTIFY,
    operation: 'ask for a notice of unmapping',
    object: `byte ${byte}, event channel ${port}`,
  });
}

/** A 64-bit integer into the scratch page, low word first. Exact below 2^53. */
export function writeLong(at: number, value: number): void {
  scratchWords[at] = value | 0;
  scratchWords[at + 1] = Math.floor(value / 2 ** 32);
}

export function readLong(words: Int32Array, at: number): number {
  return ((words[at + 1] as number) >>> 0) * 2 ** 32 + ((words[at] as number) >>> 0);
}
