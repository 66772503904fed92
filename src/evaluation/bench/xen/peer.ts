/** The programs of the bench in three domains, one line of JSON after the other: calls by number, and their answers. */
import type net from 'node:net';
import { createInterface } from 'node:readline';
import { errorMessage } from '../../../errors.ts';

type Handlers = Readonly<Record<string, (args: never) => unknown>>;
interface Line {
  readonly id: number;
  readonly call?: string;
  readonly args?: unknown;
  readonly result?: unknown;
  readonly error?: string;
}

export class Peer {
  readonly #socket: net.Socket;
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  #nextId = 1;
  /** Resolves when the connection is gone. */
  readonly gone: Promise<void>;

  /** @param handlers what the other side may call; each answers with a value, or a promise of one. */
  constructor(socket: net.Socket, handlers: Handlers = {}) {
    this.#socket = socket.setNoDelay(true);
    const lines = createInterface({ input: socket });
    lines.on('line', (line) => this.#take(JSON.parse(line) as Line, handlers));
    for (const each of [socket, lines]) each.on('error', () => {}); // told by close
    this.gone = new Promise((resolve) => {
      socket.once('close', () => {
        for (const { reject } of this.#waiting.values()) reject(goneError());
        resolve();
      });
    });
  }

  call<Result>(name: string, args: unknown = {}): Promise<Result> {
    if (this.#socket.closed) return Promise.reject(goneError());
    const id = this.#nextId++;
    this.#socket.write(`${JSON.stringify({ id, call: name, args })}\n`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve: resolve as never, reject }));
  }

  end(): void {
    this.#socket.end();
  }

  #take({ id, call, args, result, error }: Line, handlers: Handlers): void {
    if (call !== undefined) {
      Promise.resolve()
        .then(() => {
          const handler = Object.hasOwn(handlers, call) ? handlers[call] : undefined;
          if (handler === undefined) throw new Error(`nothing here is called ${call}`);
          return handler(args as never);
        })
        .then(
          (value) => this.#socket.write(`${JSON.stringify({ id, result: value })}\n`),
          (reason) => this.#socket.write(`${JSON.stringify({ id, error: errorMessage(reason) })}\n`),
        );
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result as never);
    else waiting?.reject(new Error(error));
  }
}

const goneError = (): Error => new Error('the other side of the bench is gone');
