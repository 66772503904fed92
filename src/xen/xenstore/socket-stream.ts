import net from 'node:net';
import { errorMessage } from '../../errors.ts';
import type { ByteReceiver, ByteStream } from './byte-stream.ts';
import { PAYLOAD_MAX_BYTES } from './wire.ts';

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

  /** @throws the system's error: ENOENT, ECONNREFUSED, EACCES. */
  static open(path: string): Promise<SocketStream> {
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
