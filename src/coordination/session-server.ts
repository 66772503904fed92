import fs from 'node:fs';
import net from 'node:net';
import type { ControlFile } from '../control/contracts.ts';
import { type Geometry, SESSION_SLOTS } from '../control/layout.ts';
import { errorMessage } from '../errors.ts';
import { isByteLocked, tryLockByte, unlockByte } from '../native/ofd-lock.ts';
import { makeFifo } from './fifo-file.ts';
import { type LineConnection, serveLines } from './line-server.ts';
import { checkSocketPath, type DomainFiles } from './run-files.ts';
import { readCall, readId } from './session-calls.ts';
import {
  type CallId,
  SESSION_PROTOCOL_VERSION,
  type SessionCall,
  type SessionReply,
  type SessionWelcome,
} from './session-protocol.ts';
import { SessionTable } from './session-table.ts';
import { type SocketLeaseFigures, SocketLeases } from './socket-leases.ts';

/** Connections of one domain at a time; a session needs one, and so does `memtide status` for a moment. */
export const MAX_CONNECTIONS = 256;

export interface SessionServerOptions {
  readonly files: DomainFiles;
  readonly file: ControlFile;
  readonly geometry: Geometry;
  readonly lockFd: number;
  readonly welcome: Omit<SessionWelcome, 'session' | 'lock'>;
  /** Rings the front end's own bell: something has changed in the ledger. */
  readonly ring: () => void;
  /** Rings it in the name of a session. */
  readonly ringAs: (session: number) => void;
  /** Calls that are not about the session itself. */
  readonly answer: (call: SessionCall, session: number | undefined) => SessionReply | undefined | Promise<SessionReply>;
}

/** What goes on at the socket, for `memtide status`. Connections that were ended or refused are running totals. */
export interface SocketFigures extends SocketLeaseFigures {
  readonly connections: number;
  /** Sessions whose lock the agent holds. */
  readonly agent_held: number;
  /** Calls that were answered with what is wrong with them. */
  readonly misread: number;
  readonly ended_for_garbage: number;
  readonly ended_for_not_reading: number;
  readonly turned_away: number;
}

/** One connection. Its session is absent before hello, and after the session has ended. */
interface Visitor {
  readonly connection: LineConnection;
  session: number | undefined;
  /** Whether the session may borrow: its lock is held. */
  ready: boolean;
  /** Whether the agent holds that lock. */
  agentHolds: boolean;
}

/**
 * Lets applications in and takes back what they held when they end. A session lives as long as the lock on its byte is
 * held: by its process, and then the kernel drops it however the process dies (a closed socket alone proves nothing); or
 * by the agent, for a client that cannot, and then the session ends with its connection.
 */
export class SessionServer {
  readonly #options: SessionServerOptions;
  readonly #visitors = new Map<net.Socket, Visitor>();
  readonly #table: SessionTable;
  readonly #leases: SocketLeases;
  readonly #faults = { misread: 0, garbage: 0, 'slow-reader': 0, turnedAway: 0 };
  /** A description of its own, since a lock is invisible to the description that holds it. */
  readonly #agentLockFd: number;
  #server: net.Server | undefined;

  constructor(options: SessionServerOptions) {
    const { file, geometry, files, lockFd, ring, ringAs, welcome } = options;
    this.#options = options;
    this.#agentLockFd = fs.openSync(files.locks, 'r+');
    this.#leases = new SocketLeases({ file, geometry, files, welcome, ring: ringAs });
    this.#table = new SessionTable(file, geometry, {
      isHeld: (session) => isByteLocked(lockFd, session),
      openWake: (session) => makeFifo(files.wake(session)),
      closeWake: (session) => {
        this.#forget(session);
        fs.rmSync(files.wake(session), { force: true });
      },
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

  figures(): SocketFigures {
    const { misread, garbage, 'slow-reader': notReading, turnedAway } = this.#faults;
    return {
      connections: this.#visitors.size,
      agent_held: [...this.#visitors.values()].filter(({ agentHolds }) => agentHolds).length,
      ...this.#leases.figures(),
      misread,
      ended_for_garbage: garbage,
      ended_for_not_reading: notReading,
      turned_away: turnedAway,
    };
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
    for (const socket of this.#visitors.keys()) socket.destroy();
    await new Promise<void>((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()));
    this.#leases.close();
    // With this the sessions that the agent held for others end; their memory comes back now or at the next start.
    fs.closeSync(this.#agentLockFd);
    this.reapDead();
    fs.rmSync(this.#options.files.socket, { force: true });
  }

  /** See `SessionTable.reapDead`. */
  reapDead(): void {
    this.#table.reapDead(this.#taken());
  }

  #serve(socket: net.Socket): void {
    if (this.#visitors.size >= MAX_CONNECTIONS) {
      this.#faults.turnedAway++;
      const refused = serveLines(socket, () => undefined);
      refused.end({ ok: false, error: `there are ${MAX_CONNECTIONS} connections already` });
      return;
    }
    const connection = serveLines<{ readonly op: string }, SessionReply & { id?: CallId }>(
      socket,
      (told) => this.#answer(visitor, told as unknown as Readonly<Record<string, unknown>>),
      (fault) => this.#faults[fault]++,
    );
    const visitor: Visitor = { connection, session: undefined, ready: false, agentHolds: false };
    this.#visitors.set(socket, visitor);
    socket.on('close', () => {
      this.#visitors.delete(socket);
      const { session, agentHolds } = visitor;
      if (session !== undefined && !this.#taken().has(session)) this.#leases.disconnected(session);
      if (session !== undefined && agentHolds) unlockByte(this.#agentLockFd, session);
      // The lock is dropped when the process ends, which may be a moment after its socket closes.
      setImmediate(() => {
        if (this.#server?.listening) this.reapDead();
      });
    });
  }

  /** Reads a call, and puts its `id` on the reply. Reports have no answer, unless they ask for one with an `id`. */
  #answer(visitor: Visitor, told: Readonly<Record<string, unknown>>): Answered | Promise<Answered> {
    const id = readId(told);
    const call = readCall(told);
    if (id === false || 'ok' in call) {
      this.#faults.misread++;
      if (told.op === 'burst' && id === undefined) return undefined;
      if (id === false) return { ok: false, error: '"id" is no id', expected: 'a number, or a short string' };
      return withId(call as SessionReply, id);
    }
    let reply: SessionReply | undefined | Promise<SessionReply | undefined>;
    try {
      reply = this.#obey(visitor, call, id);
    } catch (error) {
      reply = { ok: false, error: errorMessage(error) };
    }
    if (reply instanceof Promise) return reply.then((settled) => withId(settled, id));
    if (reply === undefined && call.op === 'burst' && id !== undefined) reply = { ok: true, noted: true };
    return withId(reply, id);
  }

  #obey(
    visitor: Visitor,
    call: SessionCall,
    id: CallId | undefined,
  ): SessionReply | undefined | Promise<SessionReply | undefined> {
    const { session, connection } = visitor;
    if (call.op === 'hello') return this.#welcome(visitor, call);
    if (call.op === 'burst' || call.op === 'program' || call.op === 'status')
      return this.#options.answer(call, session);
    if (session === undefined) return { ok: false, error: 'say hello first' };
    if (call.op === 'ready') {
      visitor.ready = this.#table.activate(session);
      return visitor.ready ? { ok: true, ready: true } : { ok: false, error: 'the session’s lock is not held' };
    }
    if (!visitor.ready) return { ok: false, error: 'lock the session’s byte and say ready first' };
    if (call.op === 'borrow' && this.#options.welcome.granted) {
      const error = 'memory of dom0 is lent to applications that map it themselves, not over the socket';
      return { ok: false, error, remedy: 'use the library: connect() of the package memtide' };
    }
    if (call.op === 'borrow') return this.#leases.borrow(session, call, (notice) => connection.say(notice));
    if (call.op === 'release') return this.#leases.release(session, call.lease);
    this.#leases.releaseAll(session);
    connection.end(withId({ ok: true, bye: true }, id));
    return undefined;
  }

  #welcome(visitor: Visitor, { version, pid, session: former, locks }: SessionCall & { op: 'hello' }): SessionReply {
    if (version !== SESSION_PROTOCOL_VERSION) {
      return { ok: false, error: `protocol version ${SESSION_PROTOCOL_VERSION} is spoken here, not ${version}` };
    }
    if (visitor.session === undefined && former !== undefined) {
      // What the agent holds for one connection is no other's.
      const anothers = [...this.#visitors.values()].some(({ session, agentHolds }) => agentHolds && session === former);
      if (anothers || !this.#table.mayResume(former, pid)) {
        return { ok: false, error: 'there is no such session, or it is another process’s' };
      }
      visitor.session = former;
      visitor.ready = true;
      this.#leases.connected(former, (notice) => visitor.connection.say(notice));
    } else if (visitor.session === undefined) {
      const session = this.#table.admit(pid, this.#taken());
      if (session === undefined) {
        return { ok: false, error: `all ${SESSION_SLOTS - 1} sessions of the domain are taken` };
      }
      visitor.session = session;
      if (locks === 'agent') {
        visitor.agentHolds = tryLockByte(this.#agentLockFd, session);
        visitor.ready = visitor.agentHolds && this.#table.activate(session);
      }
    }
    const { session } = visitor;
    const { welcome, files } = this.#options;
    return { ok: true, hello: { ...welcome, session, lock: { file: files.locks, byte: session } } };
  }

  /** Sessions that were given out, whether they are held or not. */
  #taken(): Set<number> {
    return new Set([...this.#visitors.values()].flatMap(({ session }) => session ?? []));
  }

  /** The session has ended. Its connection may be there still: then it has none from now on. */
  #forget(session: number): void {
    this.#leases.ended(session);
    for (const visitor of this.#visitors.values()) {
      if (visitor.session !== session) continue;
      visitor.session = undefined;
      visitor.ready = false;
      visitor.agentHolds = false;
    }
  }
}

type Answered = (SessionReply & { id?: CallId }) | undefined;

function withId<Reply extends SessionReply | undefined>(reply: Reply, id: CallId | undefined): Answered {
  return reply === undefined || id === undefined ? reply : { ...reply, id };
}
