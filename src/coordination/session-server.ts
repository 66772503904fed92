import fs from 'node:fs';
import net from 'node:net';
import type { ControlFile } from '../control/contracts.ts';
import {
  type Geometry,
  SESSION,
  SESSION_ACTIVE,
  SESSION_CLOSING,
  SESSION_FREE,
  SESSION_SLOTS,
  SESSION_WORDS,
  SESSIONS,
} from '../control/layout.ts';
import { isByteLocked } from '../native/ofd-lock.ts';
import { reapSession } from '../platforms/arena/chunk-keeper.ts';
import { serveLines } from './agent-protocol.ts';
import { makeFifo } from './fifo-file.ts';
import { checkSocketPath, type DomainFiles } from './run-files.ts';
import {
  SESSION_PROTOCOL_VERSION,
  type SessionCall,
  type SessionReply,
  type SessionWelcome,
} from './session-protocol.ts';

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
  #server: net.Server | undefined;
  #reaped = 0;

  constructor(options: SessionServerOptions) {
    this.#options = options;
  }

  /** Sessions that hold their lock now. */
  get liveSessions(): number {
    let live = 0;
    for (let session = 1; session < SESSION_SLOTS; session++) if (this.#state(session) === SESSION_ACTIVE) live++;
    return live;
  }

  /** Chunks taken back from sessions that ended without releasing them. */
  get reapedChunks(): number {
    return this.#reaped;
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

  /**
   * Takes back what dead sessions hold: after a socket closes, at the start, and on every tick for those whose socket
   * outlived them (a child that inherited it).
   */
  reapDead(): void {
    for (let session = 1; session < SESSION_SLOTS; session++) {
      const state = this.#state(session);
      if (state !== SESSION_ACTIVE && state !== SESSION_CLOSING) continue;
      if (!isByteLocked(this.#options.lockFd, session)) this.#reap(session);
    }
  }

  #reap(session: number): void {
    const { file, geometry, files, ring } = this.#options;
    this.#set(session, SESSION.state, SESSION_CLOSING);
    this.#set(session, SESSION.revocableChunks, 0);
    this.#set(session, SESSION.reclaimChunks, 0);
    this.#reaped += reapSession(file, geometry, session);
    fs.rmSync(files.wake(session), { force: true });
    this.#set(session, SESSION.state, SESSION_FREE);
    ring();
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
        session ??= this.#admit(call.pid);
        if (session === undefined)
          return { ok: false, error: `all ${SESSION_SLOTS - 1} sessions of the domain are taken` };
        this.#sockets.set(socket, session);
        return { ok: true, hello: { ...this.#options.welcome, session } };
      }
      if (call.op === 'ready') {
        if (session === undefined) return { ok: false, error: 'say hello first' };
        if (!isByteLocked(this.#options.lockFd, session)) return { ok: false, error: 'the session’s lock is not held' };
        this.#set(session, SESSION.state, SESSION_ACTIVE);
        return { ok: true, ready: true };
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

  /** Gives a free slot to a new application. @returns undefined when there is none. */
  #admit(pid: number): number | undefined {
    const taken = new Set(this.#sockets.values());
    for (let session = 1; session < SESSION_SLOTS; session++) {
      if (taken.has(session) || this.#state(session) !== SESSION_FREE) continue;
      if (isByteLocked(this.#options.lockFd, session)) continue;
      const { words } = this.#options.file;
      const at = SESSIONS + session * SESSION_WORDS;
      // The numbers of requests and reclaims go on counting, so that nothing of the last owner is taken for the new one's.
      Atomics.store(words, at + SESSION.responseSeq, Atomics.load(words, at + SESSION.requestSeq));
      for (const field of [SESSION.reclaimChunks, SESSION.revocableChunks, SESSION.waits] as const) {
        this.#set(session, field, 0);
      }
      this.#set(session, SESSION.pid, pid);
      Atomics.add(words, at + SESSION.generation, 1);
      makeFifo(this.#options.files.wake(session));
      return session;
    }
    return undefined;
  }

  #state(session: number): number {
    return Atomics.load(this.#options.file.words, SESSIONS + session * SESSION_WORDS + SESSION.state);
  }

  #set(session: number, field: number, value: number): void {
    Atomics.store(this.#options.file.words, SESSIONS + session * SESSION_WORDS + field, value);
  }
}
