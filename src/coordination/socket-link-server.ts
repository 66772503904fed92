import fs from 'node:fs';
import net from 'node:net';
import type { BackendCall, BackendNotice, BackendReply, FrontendWelcome, RoomCall } from './agent-protocol.ts';
import type { LinkHost, LinkServer } from './backend-link.ts';
import { type LineConnection, serveLines } from './line-server.ts';
import { checkSocketPath } from './run-files.ts';

/** For those who are no agent. */
export interface SocketQuestions {
  /** How the machine is. */
  status(): unknown;
  /** Rejects where there is no such memory to collect. */
  room(call: RoomCall): Promise<boolean>;
}

/** The back end's Unix socket: agents of the same machine, and whoever asks for the status or for a guest's room. */
export class SocketLinkServer implements LinkServer {
  readonly #path: string;
  readonly #host: LinkHost<FrontendWelcome>;
  readonly #questions: SocketQuestions;
  readonly #sockets = new Set<net.Socket>();
  readonly #linked = new Map<string, LineConnection>();
  #server: net.Server | undefined;

  constructor(path: string, host: LinkHost<FrontendWelcome>, questions: SocketQuestions) {
    this.#path = path;
    this.#host = host;
    this.#questions = questions;
  }

  async start(): Promise<void> {
    const server = net.createServer((socket) => this.#serve(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(checkSocketPath(this.#path), resolve);
    });
    fs.chmodSync(this.#path, 0o600);
  }

  tell(domain: string, notice: BackendNotice): boolean {
    const connection = this.#linked.get(domain);
    connection?.say(notice);
    return connection !== undefined;
  }

  isLinked(domain: string): boolean {
    return this.#linked.has(domain);
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (!this.#server) return resolve();
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  async #room({ byteLength, waitMillis, holdMillis, guest }: RoomCall): Promise<BackendReply> {
    if (![byteLength, waitMillis, holdMillis].every((value) => Number.isSafeInteger(value) && value >= 0))
      return { ok: false, error: 'room: byteLength, waitMillis and holdMillis must be whole numbers' };
    if (guest !== undefined && typeof guest !== 'string') return { ok: false, error: 'room: guest must be a name' };
    const room = { byteLength, waitMillis, holdMillis, ...(guest === undefined ? {} : { guest }) };
    return { ok: true, room: await this.#questions.room(room) };
  }

  /** One agent's connection. */
  #serve(socket: net.Socket): void {
    let domain: string | undefined;
    this.#sockets.add(socket);
    const connection = serveLines<BackendCall, BackendReply>(socket, (call) => {
      if (call.op === 'status') return { ok: true, status: this.#questions.status() };
      if (call.op === 'room') return this.#room(call);
      if (call.op === 'hello') {
        if (domain !== undefined) return { ok: false, error: 'said before' };
        const admitted = this.#host.admit(call.domain, false);
        if (!admitted.ok) return admitted;
        if (this.#linked.has(call.domain))
          return { ok: false, error: `domain "${call.domain}" has an agent already`, busy: true };
        domain = call.domain;
        this.#linked.set(domain, connection);
        // The welcome is said first: what the host has to say to a domain that has joined must not come before it.
        setImmediate(() => {
          if (this.#linked.get(call.domain) === connection) this.#host.joined(call.domain, call.limitBytes);
        });
        return { ok: true, hello: admitted.welcome };
      }
      if (domain === undefined) return { ok: false, error: 'say hello first' };
      this.#host.call(domain, call);
      return undefined;
    });
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (domain === undefined || this.#linked.get(domain) !== connection) return;
      this.#linked.delete(domain);
      this.#host.left(domain);
    });
  }
}
