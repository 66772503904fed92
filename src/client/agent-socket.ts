import net from 'node:net';
import { reconnectDelay } from '../coordination/retry.ts';
import {
  LineSplitter,
  SESSION_PROTOCOL_VERSION,
  type SessionCall,
  type SessionReply,
  type SessionWelcome,
} from '../coordination/session-protocol.ts';
import { whyUnreachable } from '../coordination/socket-failure.ts';
import { EXIT, MemtideError } from '../errors.ts';

/**
 * The slow-plane half of a connection: JSON lines over the agent's Unix socket, one answer to a call.
 *
 * What has been told of outlives its agent: a socket that is kept open is opened again in the background when it closes,
 * for as long as it takes, and the successor is told. Neither the timer nor the socket keeps the process alive then.
 */
export class AgentSocket {
  readonly #path: string;
  #socket: net.Socket;
  #waiting: ((reply: SessionReply) => void)[] = [];
  /** What a successor of the agent is told first. */
  #greeting: SessionCall | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #resumed = 0;
  #dropped = 0;

  private constructor(path: string, socket: net.Socket) {
    this.#path = path;
    this.#socket = socket;
    this.#attach(socket);
  }

  static async open(path: string): Promise<AgentSocket> {
    return new AgentSocket(path, await connected(path));
  }

  /** Whether the agent can be told something now. */
  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  /** Times that a successor of the agent has been told. */
  get resumed(): number {
    return this.#resumed;
  }

  /** What could not be told because the agent was away. */
  get dropped(): number {
    return this.#dropped;
  }

  async hello(): Promise<SessionWelcome> {
    const reply = await this.call({
      op: 'hello',
      version: SESSION_PROTOCOL_VERSION,
      pid: process.pid,
      locks: 'client',
    });
    if ('hello' in reply) return reply.hello;
    throw this.#unexpected(reply);
  }

  /** @param session from the welcome; its lock is held. */
  async ready(session: number): Promise<void> {
    const reply = await this.call({ op: 'ready' });
    if (!reply.ok) throw this.#unexpected(reply);
    this.#socket.unref();
    this.keepOpen({ op: 'hello', version: SESSION_PROTOCOL_VERSION, pid: process.pid, session, locks: 'client' });
  }

  /** @param greeting what every agent that comes after this one is to be told. */
  keepOpen(greeting: SessionCall): void {
    this.#greeting = greeting;
    if (!this.isOpen) this.#resumeLater(0);
  }

  /** @returns the answer, `ok: false` included. */
  call(call: SessionCall): Promise<SessionReply> {
    if (!this.isOpen) return Promise.resolve({ ok: false, error: 'the agent is away' });
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(`${JSON.stringify(call)}\n`);
    });
  }

  /** Says something that has no answer. It is dropped while the agent is away, and counted. */
  tell(call: SessionCall): void {
    if (this.isOpen) this.#socket.write(`${JSON.stringify(call)}\n`);
    else this.#dropped++;
  }

  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    return new Promise((resolve) => {
      if (this.#socket.destroyed) return resolve();
      this.#socket.once('close', () => resolve());
      this.#socket.ref();
      this.#socket.end();
    });
  }

  #attach(socket: net.Socket): void {
    const splitter = new LineSplitter();
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      try {
        for (const line of splitter.push(text)) this.#waiting.shift()?.(JSON.parse(line) as SessionReply);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('close', () => {
      for (const settle of this.#waiting.splice(0)) settle({ ok: false, error: 'the agent closed the connection' });
      if (this.#greeting) this.#resumeLater(0);
    });
    socket.on('error', () => {}); // 'close' follows, and settles whoever waits
  }

  #resumeLater(attempt: number): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => void this.#resume(attempt), reconnectDelay(attempt));
    this.#retry.unref();
  }

  async #resume(attempt: number): Promise<void> {
    const socket = await connected(this.#path, true).catch(() => undefined);
    if (!socket || this.#closed) {
      socket?.destroy();
      this.#resumeLater(attempt + 1);
      return;
    }
    const reply = await firstReply(socket, this.#greeting!);
    if (!reply?.ok || this.#closed || socket.destroyed) {
      // An agent that refuses, since its arena is another one, will do so later too; but its successor may not, and asking
      // costs next to nothing.
      socket.destroy();
      this.#resumeLater(attempt + 1);
      return;
    }
    socket.removeAllListeners();
    this.#socket = socket;
    this.#attach(socket);
    this.#resumed++;
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

async function connected(path: string, inBackground = false): Promise<net.Socket> {
  const socket = net.connect(path);
  if (inBackground) socket.unref();
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) =>
      reject(
        new MemtideError({
          operation: 'connect to the agent',
          object: path,
          expected: 'a running agent of the domain',
          actual: whyUnreachable(cause),
          remedy: 'start it with: memtide agent --domain NAME (or npm start for the whole demonstration)',
          cause,
          exitCode: EXIT.unavailable,
        }),
      ),
    );
  });
  return socket;
}

/** @returns undefined when the socket closes, or says what is no JSON, before it answers. */
function firstReply(socket: net.Socket, call: SessionCall): Promise<SessionReply | undefined> {
  const splitter = new LineSplitter();
  socket.setEncoding('utf8');
  return new Promise((resolve) => {
    socket.on('data', (text: string) => {
      try {
        const [line] = splitter.push(text);
        if (line !== undefined) resolve(JSON.parse(line) as SessionReply);
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(undefined));
    socket.write(`${JSON.stringify(call)}\n`);
  });
}
