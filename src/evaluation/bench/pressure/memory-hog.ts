import fs from 'node:fs';
import { errorMessage } from '../../../errors.ts';
import { memset } from '../../../native/libc.ts';
import { type Mapping, mapPrivate, unmapPrivate, wordsOf } from '../../../native/mapping.ts';

/**
 * A program that takes memory and keeps using it, so that the kernel has to take it from others; or, where there is no
 * swap, one that reads a file over and over, so that the kernel has to drop other files. It ends with its parent.
 */
export type MemoryHogCall =
  /** Answers when it has all of it. */
  | { readonly call: 'hold'; readonly byteLength: number }
  | { readonly call: 'read'; readonly file: string }
  | { readonly call: 'drop' };

/** Between two rounds through its memory: it is short of memory that the others are to be, not of CPU time. */
const REST_MILLIS = 20;
const PAGE_WORDS = 1024;
const READ_BYTES = 1024 * 1024;

// Whatever goes wrong in this cgroup, the kernel ends this process first.
fs.writeFileSync('/proc/self/oom_score_adj', '1000');

let held: Mapping | undefined;
let words: Int32Array | undefined;
let fd = -1;
let timer: NodeJS.Timeout | undefined;
const buffer = Buffer.alloc(READ_BYTES);

function use(): void {
  if (words) for (let at = 0; at < words.length; at += PAGE_WORDS) words[at] = words[at]! + 1;
  if (fd >= 0) for (let at = 0; fs.readSync(fd, buffer, 0, READ_BYTES, at) > 0; at += READ_BYTES);
  timer = setTimeout(use, REST_MILLIS);
}

function drop(): void {
  clearTimeout(timer);
  words = undefined;
  if (held) unmapPrivate(held);
  held = undefined;
  if (fd >= 0) fs.closeSync(fd);
  fd = -1;
}

function obey(call: MemoryHogCall): void {
  drop();
  if (call.call === 'hold') {
    held = mapPrivate(call.byteLength, { what: 'memory hog' });
    memset(held.address, 0x5a, call.byteLength);
    words = wordsOf(held);
  } else if (call.call === 'read') fd = fs.openSync(call.file, 'r');
  if (call.call !== 'drop') use();
}

process.on('message', (call: MemoryHogCall) => {
  try {
    obey(call);
    process.send!({});
  } catch (error) {
    process.send!({ error: errorMessage(error) });
  }
});
process.on('disconnect', () => process.exit(0));
