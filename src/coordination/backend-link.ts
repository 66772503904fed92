import net from 'node:net';
import { errorMessage, MemtideError } from '../errors.ts';
import type { BackendCall, BackendReply, FrontendWelcome } from './agent-protocol.ts';
import { LineSplitter } from './session-protocol.ts';

/** A front end's slow-plane connection to the back end. */
export class BackendLink {
  readonly #path: string;
  readonly #socket: net.Socket;
  readonly #splitter = new LineSplitter();
  #onLine: (message: unknown) => void = () => {};
  #onClose: () => void = () => {};

  private constructor(path: string, socket: net.Socket) {
    this.#path = path;
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      for (const line of this.#splitter.push(text)) if (line !== '') this.#onLine(JSON.parse(line));
    });
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => this.#onClose());
  }

  static async open(path: string): Promise<BackendLink> {
    const socket = net.connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (cause) =>
        reject(
          new MemtideError({
            operation: 'connect to the back end',
            object: path,
            expected: 'a running back end in the same run directory',
            actual: errorMessage(cause),
            remedy: 'start it first: memtide agent --role backend',
            cause,
          }),
        ),
      );
    });
    return new BackendLink(path, socket);
  }

  async hello(domain: string): Promise<FrontendWelcome> {
    const reply = await new Promise<BackendReply>((resolve) => {
      this.#onLine = (message) => resolve(message as BackendReply);
      this.#onClose = () => resolve({ ok: false, error: 'the back end closed the connection' });
      this.tell({ op: 'hello', domain, pid: process.pid });
    });
    if (reply.ok && 'hello' in reply) return reply.hello;
    throw new MemtideError({
      operation: `join the back end as domain "${domain}"`,
      object: this.#path,
      actual: reply.ok ? 'an answer to another question' : reply.error,
      remedy: 'name the domain in "domains" of the back end’s configuration, and start one agent for each',
    });
  }

  /** From now on every line goes to `onMessage`. */
  listen(onMessage: (message: unknown) => void, onClose: () => void): void {
    this.#onLine = onMessage;
    this.#onClose = onClose;
    if (this.#socket.destroyed) onClose();
  }

  tell(call: BackendCall): void {
    if (!this.#socket.destroyed) this.#socket.write(`${JSON.stringify(call)}\n`);
  }

  close(): void {
    this.#onClose = () => {};
    this.#socket.destroy();
  }
}
