import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ERRNO, errno, errnoName, POLLIN, POLLOUT, poll, read, write } from '../../native/libc.ts';
import { mapPrivate, wordsOf } from '../../native/mapping.ts';
import { DEVICE_CONTROL, type DeviceData, type DeviceNews, MAX_UNREAD_CHUNKS } from './device-stream.ts';

/** The thread of a `DeviceStream`: sleeps in poll(2) until the device has bytes or the main thread has a message. */
const { device, wake, port, control: controlBuffer } = workerData as DeviceData;
const control = new Int32Array(controlBuffer);

// One page: what is read or written in its first half, two struct pollfd (int fd, short events, short revents) behind.
// A message is at most 4096 bytes with its header; a read of half that just takes two turns.
const PAGE_BYTES = 8192;
const IO_BYTES = 4096;
const page = mapPrivate(PAGE_BYTES, { what: 'buffer of the xenstore device' });
const words = wordsOf(page);
const bytes = new Uint8Array(words.buffer, 0, IO_BYTES);
const POLLFDS = IO_BYTES / 4;
const WAIT_FOREVER = -1;

const post = (news: DeviceNews): void => port.postMessage(news);

/** Waits for `events` on the device, and for the wake-up too if `both`. @returns what there is: [device, wake] */
function awaitReady(events: number, both: boolean): readonly [number, number] {
  words[POLLFDS] = device;
  words[POLLFDS + 1] = events;
  words[POLLFDS + 2] = wake;
  words[POLLFDS + 3] = POLLIN;
  if (poll(page.address + IO_BYTES, both ? 2 : 1, WAIT_FOREVER) < 0) return [0, 0]; // EINTR
  return [words[POLLFDS + 1]! >>> 16, both ? words[POLLFDS + 3]! >>> 16 : 0];
}

/** One message is one write: the kernel takes no two at once. A pipe in its place may take it in pieces. */
function sendMessage(message: Uint8Array): void {
  bytes.set(message);
  for (let sent = 0; sent < message.length && Atomics.load(control, DEVICE_CONTROL.stop) === 0; ) {
    const count = write(device, page.address + sent, message.length - sent);
    if (count >= 0) sent += count;
    else if (errno() === ERRNO.EAGAIN) awaitReady(POLLOUT, true);
    else if (errno() !== ERRNO.EINTR) {
      post({ kind: 'refused', code: errnoName() });
      return;
    }
  }
}

/** @returns why there is nothing more to come, or `undefined`. */
function receive(): string | undefined {
  const count = read(device, page.address, IO_BYTES);
  if (count > 0) {
    Atomics.add(control, DEVICE_CONTROL.unread, 1);
    post({ kind: 'data', chunk: bytes.slice(0, count) });
    return undefined;
  }
  if (count === 0) return 'xenstored closed the connection';
  return errno() === ERRNO.EAGAIN || errno() === ERRNO.EINTR ? undefined : `read failed: ${errnoName()}`;
}

function serve(): string {
  for (;;) {
    const [ready, woken] = awaitReady(POLLIN, true);
    if (Atomics.load(control, DEVICE_CONTROL.stop) !== 0) return 'memtide closed it';
    if (woken !== 0) {
      read(wake, page.address, 8);
      for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
        sendMessage(next.message as Uint8Array);
      }
    }
    if (ready !== 0) {
      const over = receive();
      if (over !== undefined) return over;
    }
    let unread = Atomics.load(control, DEVICE_CONTROL.unread);
    while (unread >= MAX_UNREAD_CHUNKS) {
      Atomics.wait(control, DEVICE_CONTROL.unread, unread);
      unread = Atomics.load(control, DEVICE_CONTROL.unread);
    }
  }
}

post({ kind: 'ended', why: serve() });
port.close();
