import net from 'node:net';
import {
  LineSplitter,
  SESSION_PROTOCOL_VERSION,
  type SessionCall,
  type SessionReply,
  type SessionWelcome,
} from '../coordination/session-protocol.ts';
import { errorMessage, MemtideError } from '../errors.ts';

/** The slow-plane half of a connection: JSON lines over the agent's Unix socket, one answer to a call. */
export class AgentSocket {
  readonly #path: string;
  readonly #socket: net.Socket;
  readonly #waiting: ((reply: SessionReply) => void)[] = [];

  private constructor(path: string, socket: net.Socket) {
    this.#path = path;
    this.#socket = socket;
    const splitter = new LineSplitter();
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      for (const line of splitter.push(text)) this.#waiting.shift()?.(JSON.parse(line) as SessionReply);
    });
    socket.on('close', () => {
      for (const settle of this.#waiting.splice(0)) settle({ ok: false, error: 'the agent closed the connection' });
    });
    socket.on('error', () => {}); // 'close' follows, and settles whoever waits
  }

  static async open(path: string): Promise<AgentSocket> {
    const socket = net.connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (cause) =>
        reject(
          new MemtideError({
            operation: 'connect to the agent',
            object: path,
            expected: 'a running agent of the domain',
            actual: errorMessage(cause),
            remedy: 'start it with: memtide agent --domain NAME (or npm start for the whole demonstration)',
            cause,
          }),
        ),
      );
    });
    return new AgentSocket(path, socket);
  }

  async hello(): Promise<SessionWelcome> {
    const reply = await this.call({ op: 'hello', version: SESSION_PROTOCOL_VERSION, pid: process.pid });
    if ('hello' in reply) return reply.hello;
    throw this.#unexpected(reply);
  }

  async ready(): Promise<void> {
    const reply = await this.call({ op: 'ready' });
    if (!reply.ok) throw this.#unexpected(reply);
    this.#socket.unref();
  }

  /** @returns the answer, `ok: false` included. */
  call(call: SessionCall): Promise<SessionReply> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(`${JSON.stringify(call)}\n`);
    });
  }

  /** Says something that has no answer. */
  tell(call: SessionCall): void {
    this.#socket.write(`${JSON.stringify(call)}\n`);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) return resolve();
      this.#socket.once('close', () => resolve());
      this.#socket.ref();
      this.#socket.end();
    });
  }

  #unexpected(reply: SessionReply): MemtideError {
    return new MemtideError({
      operation: 'connect to the agent',
      object: this.#path,
      actual: reply.ok ? 'an answer to another question' : reply.error,
      remedy: 'use the memtide of the same version on both sides',
    });
  }
}
