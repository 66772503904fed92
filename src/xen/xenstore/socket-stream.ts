import net from 'node:net';
import { errorCode, errorMessage } from '../../errors.ts';
import type { ByteReceiver, ByteStream } from './byte-stream.ts';
import { PAYLOAD_MAX_BYTES } from './wire.ts';

const CONNECT_ATTEMPTS = 50;
const CONNECT_RETRY_MILLIS = 20;

/** xenstored's Unix socket: dom0's way. */
export class SocketStream implements ByteStream {
  readonly maxPayloadBytes = PAYLOAD_MAX_BYTES;
  readonly path: string;
  readonly #socket: net.Socket;
  #receiver: ByteReceiver | undefined;

  private constructor(path: string, socket: net.Socket) {
    this.path = path;
    this.#socket = socket;
  }

  /**
   * xenstored lets one connection wait to be accepted (listen(2) with a backlog of 1), so a busy one answers EAGAIN, which
   * is tried again for a second. @throws the system's error: ENOENT, ECONNREFUSED, EACCES.
   */
  static async open(path: string): Promise<SocketStream> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await SocketStream.#connect(path);
      } catch (error) {
        if (errorCode(error) !== 'EAGAIN' || attempt === CONNECT_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, CONNECT_RETRY_MILLIS));
      }
    }
  }

  static #connect(path: string): Promise<SocketStream> {
    const socket = net.connect(path);
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new SocketStream(path, socket));
      });
    });
  }

  start(receiver: ByteReceiver): void {
    this.#receiver = receiver;
    let cause: Error | undefined;
    this.#socket.on('data', (chunk) => this.#receiver?.data(chunk));
    this.#socket.on('error', (error) => {
      cause = error; // 'close' follows
    });
    this.#socket.on('close', () => {
      this.#receiver?.ended(cause ? errorMessage(cause) : 'xenstored closed the connection', cause);
      this.#receiver = undefined;
    });
    if (this.#socket.destroyed) process.nextTick(() => this.#socket.emit('close'));
  }

  send(message: Uint8Array): void {
    this.#socket.write(message);
  }

  async close(): Promise<void> {
    this.#receiver = undefined;
    this.#socket.destroy();
  }
}
