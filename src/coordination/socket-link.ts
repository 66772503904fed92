import net from 'node:net';
import { EXIT, MemtideError } from '../errors.ts';
import type { BackendCall, BackendNotice, BackendReply, FrontendWelcome } from './agent-protocol.ts';
import type { BackendLink, BackendLinkEvents } from './backend-link.ts';
import { outlast, reconnectDelay } from './retry.ts';
import { LineSplitter } from './session-protocol.ts';
import { whyUnreachable } from './socket-failure.ts';

/** One attempt: let in, or not and why. */
type Attempt =
  | { readonly ok: true; readonly socket: LineSocket; readonly welcome: FrontendWelcome }
  | { readonly ok: false; readonly busy: boolean; readonly error: MemtideError };

/** The link to a back end of the same machine: JSON lines over its Unix socket. */
export class SocketLink implements BackendLink<FrontendWelcome> {
  readonly #path: string;
  readonly #domain: string;
  readonly #events: BackendLinkEvents<FrontendWelcome>;
  readonly #limitBytes: (() => number | undefined) | undefined;
  #socket: LineSocket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #reason = '';
  #closed = false;

  /** @param options.limitBytes where the budget of the domain's programs stands, once there is one. */
  constructor(options: {
    readonly path: string;
    readonly domain: string;
    readonly events: BackendLinkEvents<FrontendWelcome>;
    readonly limitBytes?: (() => number | undefined) | undefined;
  }) {
    this.#limitBytes = options.limitBytes;
    this.#path = options.path;
    this.#domain = options.domain;
    this.#events = options.events;
  }

  get isUp(): boolean {
    return this.#socket?.isOpen === true;
  }

  async start(): Promise<FrontendWelcome> {
    let last: Attempt | undefined;
    // The connection of a predecessor that was killed may not have been noticed yet.
    const attempt = await outlast(async () => {
      last = await this.#attempt();
      return last.ok || !last.busy ? last : undefined;
    });
    const outcome = attempt ?? last!;
    if (!outcome.ok) throw outcome.error;
    this.#use(outcome.socket);
    return outcome.welcome;
  }

  tell(call: BackendCall): boolean {
    return this.#socket?.send(call) === true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#socket?.destroy();
  }

  #use(socket: LineSocket): void {
    this.#socket = socket;
    this.#reason = '';
    socket.onLine = (message) => this.#events.notice(message as BackendNotice);
    socket.onClose = () => this.#lost('the back end closed the connection');
    if (!socket.isOpen) socket.onClose();
  }

  #lost(reason: string, attempt = 0): void {
    if (this.#closed) return;
    if (reason !== this.#reason) this.#events.away(reason);
    this.#reason = reason;
    this.#retry = setTimeout(() => void this.#again(attempt), reconnectDelay(attempt));
  }

  async #again(attempt: number): Promise<void> {
    const outcome = await this.#attempt();
    if (this.#closed) {
      if (outcome.ok) outcome.socket.destroy();
    } else if (outcome.ok) {
      this.#use(outcome.socket);
      this.#events.joined(outcome.welcome);
    } else {
      // That nobody listens is what follows from the first reason, and no news.
      this.#lost(outcome.error.detail.operation === CONNECT ? this.#reason : outcome.error.message, attempt + 1);
    }
  }

  async #attempt(): Promise<Attempt> {
    const socket = await LineSocket.open(this.#path).catch((cause: unknown) => cause);
    if (!(socket instanceof LineSocket)) return { ok: false, busy: false, error: notThere(this.#path, socket) };
    const reply = await new Promise<BackendReply>((resolve) => {
      socket.onLine = (message) => resolve(message as BackendReply);
      socket.onClose = () => resolve({ ok: false, error: 'the back end closed the connection' });
      const limitBytes = this.#limitBytes?.();
      const limit = limitBytes === undefined ? {} : { limitBytes };
      socket.send({ op: 'hello', domain: this.#domain, pid: process.pid, ...limit });
    });
    if (reply.ok && 'hello' in reply) return { ok: true, socket, welcome: reply.hello };
    socket.destroy();
    return { ok: false, busy: !reply.ok && reply.busy === true, error: notLetIn(this.#path, this.#domain, reply) };
  }
}

/** A socket that carries one JSON object a line. What is none ends it. */
class LineSocket {
  readonly #socket: net.Socket;
  onLine: (message: object) => void = () => {};
  onClose: () => void = () => {};

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    const splitter = new LineSplitter();
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      try {
        for (const line of splitter.push(text)) if (line !== '') this.onLine(JSON.parse(line) as object);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => this.onClose());
  }

  static open(path: string): Promise<LineSocket> {
    const socket = net.connect(path);
    return new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(new LineSocket(socket)));
      socket.once('error', reject);
    });
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  send(call: BackendCall): boolean {
    if (this.isOpen) this.#socket.write(`${JSON.stringify(call)}\n`);
    return this.isOpen;
  }

  destroy(): void {
    this.onClose = () => {};
    this.#socket.destroy();
  }
}

const CONNECT = 'connect to the back end';

const notThere = (path: string, cause: unknown): MemtideError =>
  new MemtideError({
    operation: CONNECT,
    object: path,
    expected: 'a running back end in the same run directory',
    actual: whyUnreachable(cause),
    remedy: 'start it first: memtide agent --role backend, with the same configuration or --run-dir',
    cause,
    exitCode: EXIT.unavailable,
  });

const notLetIn = (path: string, domain: string, reply: BackendReply): MemtideError =>
  new MemtideError({
    operation: `join the back end as domain "${domain}"`,
    object: path,
    actual: reply.ok ? 'an answer to another question' : reply.error,
    remedy: 'name the domain in "domains" of the back end’s configuration, and start one agent for each',
  });
