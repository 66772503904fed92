import fs from 'node:fs';
import net from 'node:net';
import type { ControlFile } from '../control/contracts.ts';
import { type Geometry, SESSION_SLOTS } from '../control/layout.ts';
import { isByteLocked } from '../native/ofd-lock.ts';
import { makeFifo } from './fifo-file.ts';
import { serveLines } from './line-server.ts';
import { checkSocketPath, type DomainFiles } from './run-files.ts';
import {
  SESSION_PROTOCOL_VERSION,
  type SessionCall,
  type SessionReply,
  type SessionWelcome,
} from './session-protocol.ts';
import { SessionTable } from './session-table.ts';

export interface SessionServerOptions {
  readonly files: DomainFiles;
  readonly file: ControlFile;
  readonly geometry: Geometry;
  readonly lockFd: number;
  readonly welcome: Omit<SessionWelcome, 'session'>;
  /** Rings the front end's own bell: something has changed in the ledger. */
  readonly ring: () => void;
  /** Calls that are not about the session itself. */
  readonly answer: (call: SessionCall, session: number | undefined) => SessionReply | undefined | Promise<SessionReply>;
}

/**
 * Lets applications in and takes back what they held when they end. A session lives as long as its process holds the
 * lock on its byte: the kernel drops it however the process dies. A closed socket alone proves nothing.
 */
export class SessionServer {
  readonly #options: SessionServerOptions;
  readonly #sockets = new Map<net.Socket, number>();
  readonly #table: SessionTable;
  #server: net.Server | undefined;

  constructor(options: SessionServerOptions) {
    const { file, geometry, files, lockFd, ring } = options;
    this.#options = options;
    this.#table = new SessionTable(file, geometry, {
      isHeld: (session) => isByteLocked(lockFd, session),
      openWake: (session) => makeFifo(files.wake(session)),
      closeWake: (session) => fs.rmSync(files.wake(session), { force: true }),
      ring,
    });
  }

  /** Sessions that hold their lock now. */
  get liveSessions(): number {
    return this.#table.liveSessions;
  }

  /** Chunks taken back from sessions that ended without releasing them. */
  get reapedChunks(): number {
    return this.#table.reapedChunks;
  }

  async start(): Promise<void> {
    const { files } = this.#options;
    fs.rmSync(files.socket, { force: true });
    const server = net.createServer((socket) => this.#serve(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(checkSocketPath(files.socket), resolve);
    });
    fs.chmodSync(files.socket, 0o600);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets.keys()) socket.destroy();
    await new Promise<void>((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()));
    fs.rmSync(this.#options.files.socket, { force: true });
  }

  /** See `SessionTable.reapDead`. */
  reapDead(): void {
    this.#table.reapDead(new Set(this.#sockets.values()));
  }

  #serve(socket: net.Socket): void {
    let session: number | undefined;
    this.#sockets.set(socket, 0);
    serveLines<SessionCall, SessionReply>(socket, (call) => {
      if (call.op === 'hello') {
        if (call.version !== SESSION_PROTOCOL_VERSION) {
          return {
            ok: false,
            error: `protocol version ${SESSION_PROTOCOL_VERSION} is spoken here, not ${call.version}`,
          };
        }
        if (call.session !== undefined && session === undefined) {
          if (!this.#table.mayResume(call.session, call.pid))
            return { ok: false, error: 'there is no such session, or it is another process’s' };
          session = call.session;
        }
        session ??= this.#table.admit(call.pid, new Set(this.#sockets.values()));
        if (session === undefined)
          return { ok: false, error: `all ${SESSION_SLOTS - 1} sessions of the domain are taken` };
        this.#sockets.set(socket, session);
        return { ok: true, hello: { ...this.#options.welcome, session } };
      }
      if (call.op === 'ready') {
        if (session === undefined) return { ok: false, error: 'say hello first' };
        return this.#table.activate(session)
          ? { ok: true, ready: true }
          : { ok: false, error: 'the session’s lock is not held' };
      }
      return this.#options.answer(call, session);
    });
    socket.on('close', () => {
      this.#sockets.delete(socket);
      // The lock is dropped when the process ends, which may be a moment after its socket closes.
      setImmediate(() => {
        if (this.#server?.listening) this.reapDead();
      });
    });
  }
}
