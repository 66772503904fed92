import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { MemtideError } from '../../errors.ts';
import { EFD_CLOEXEC_NONBLOCK, errnoName, eventfd } from '../../native/libc.ts';
import type { ByteReceiver, ByteStream } from './byte-stream.ts';
import { HEADER_BYTES, PAYLOAD_MAX_BYTES } from './wire.ts';

/** What the worker works with. */
export interface DeviceData {
  readonly device: number;
  /** An eventfd: there is something to send, or it is time to stop. */
  readonly wake: number;
  readonly port: MessagePort;
  readonly control: SharedArrayBuffer;
}
/** Words shared with the worker. `unread`: chunks posted and not yet taken by the main thread. */
export const DEVICE_CONTROL = { stop: 0, unread: 1 } as const;
/** The worker reads no further while so many are unread: what a guest's xenstored sends cannot pile up here. */
export const MAX_UNREAD_CHUNKS = 64;

const STOP_MILLIS = 2000;

export type DeviceNews =
  | { readonly kind: 'data'; readonly chunk: Uint8Array }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'ended'; readonly why: string };

/**
 * The kernel's door to xenstored, `/dev/xen/xenbus`: a guest's way, and dom0's where xenstored runs elsewhere.
 *
 * Neither Node's sockets nor its file API fit a character device that blocks: the one takes no such device, the other
 * would sleep in one of the four threads that all file access shares. A worker thread sleeps in poll(2) instead. It also
 * writes, because the kernel waits inside write(2) for xenstored's answer to WATCH (and, before Linux 4.11, to
 * everything).
 *
 * The kernel buffers 4096 bytes of request with the header, so 16 bytes less of payload get through than over a socket.
 * Closing the device ends our watches and transactions; the kernel's own stay, which RESET_WATCHES would take too: it is
 * meant for a kernel at its start, and memtide never sends it.
 */
export class DeviceStream implements ByteStream {
  readonly path: string;
  readonly maxPayloadBytes = PAYLOAD_MAX_BYTES - HEADER_BYTES;
  readonly #device: number;
  readonly #wake: number;
  readonly #control = new Int32Array(new SharedArrayBuffer(8));
  readonly #channel = new MessageChannel();
  #worker: Worker | undefined;
  #exited: Promise<void> = Promise.resolve();
  #receiver: ByteReceiver | undefined;
  #closing: Promise<void> | undefined;

  /** @param device a descriptor that can be polled; it is closed with the stream. */
  constructor(path: string, device: number) {
    this.path = path;
    this.#device = device;
    this.#wake = eventfd(0, EFD_CLOEXEC_NONBLOCK);
    if (this.#wake < 0) throw new MemtideError({ operation: 'make an eventfd', actual: errnoName() });
  }

  /** @throws the system's error: ENOENT, EACCES. */
  static open(path: string): DeviceStream {
    return new DeviceStream(path, fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NONBLOCK));
  }

  start(receiver: ByteReceiver): void {
    this.#receiver = receiver;
    const { port1, port2 } = this.#channel;
    const data: DeviceData = {
      device: this.#device,
      wake: this.#wake,
      port: port2,
      control: this.#control.buffer as SharedArrayBuffer,
    };
    const extension = path.extname(fileURLToPath(import.meta.url));
    const worker = new Worker(new URL(`./device-worker${extension}`, import.meta.url), {
      workerData: data,
      transferList: [port2],
      name: 'memtide xenstore',
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16, stackSizeMb: 1 },
    });
    this.#worker = worker;
    port1.on('message', (news: DeviceNews) => this.#take(news));
    worker.on('error', (error) => this.#end(`its thread failed: ${error.message}`, error));
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        // The end may be known before the thread's last words have been heard.
        for (let last = receiveMessageOnPort(port1); last; last = receiveMessageOnPort(port1)) this.#take(last.message);
        this.#end('its thread has ended');
        resolve();
      });
    });
  }

  send(message: Uint8Array): void {
    this.#channel.port1.postMessage(message);
    this.#ring();
  }

  close(): Promise<void> {
    this.#receiver = undefined;
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    Atomics.store(this.#control, DEVICE_CONTROL.stop, 1);
    Atomics.store(this.#control, DEVICE_CONTROL.unread, 0);
    Atomics.notify(this.#control, DEVICE_CONTROL.unread);
    this.#ring();
    // A thread that the kernel holds in write(2), because xenstored hangs, must not keep the process.
    const patience = setTimeout(() => this.#worker?.unref(), STOP_MILLIS);
    await this.#exited;
    clearTimeout(patience);
    this.#channel.port1.close();
    fs.closeSync(this.#device);
    fs.closeSync(this.#wake);
  }

  #take(news: DeviceNews): void {
    if (news.kind === 'refused') {
      this.#receiver?.refused(news.code);
    } else if (news.kind === 'ended') {
      this.#end(news.why);
    } else {
      Atomics.sub(this.#control, DEVICE_CONTROL.unread, 1);
      Atomics.notify(this.#control, DEVICE_CONTROL.unread);
      this.#receiver?.data(news.chunk);
    }
  }

  #end(why: string, cause?: unknown): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.ended(why, cause);
  }

  #ring(): void {
    const one = new BigUint64Array([1n]);
    fs.writeSync(this.#wake, new Uint8Array(one.buffer));
  }
}
