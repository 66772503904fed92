import type { ControlFile } from '../control/contracts.ts';
import {
  BLOCK,
  type Geometry,
  SESSION,
  SESSION_ACTIVE,
  SESSION_CLOSING,
  SESSION_FREE,
  SESSION_SLOTS,
  SESSION_WORDS,
  SESSIONS,
  STATE,
  sessionOf,
  stateOf,
} from '../control/layout.ts';
import { BlockTable, Ledger } from '../control/ledger.ts';
import { reapSession } from '../platforms/arena/chunk-keeper.ts';

/** What a table of sessions asks of the system, and does to it. */
export interface SessionEffects {
  /** Whether the session's process lives: it holds the lock on its byte until it ends, however it ends. */
  isHeld(session: number): boolean;
  /** Makes the pipe by which the session is woken. */
  openWake(session: number): void;
  closeWake(session: number): void;
  /** Rings the front end's own bell: something has changed in the ledger. */
  ring(): void;
}

const NOBODY: ReadonlySet<number> = new Set();

/** The session slots of one domain: who gets one, and when what its owner held is taken back. */
export class SessionTable {
  readonly #file: ControlFile;
  readonly #geometry: Geometry;
  readonly #effects: SessionEffects;
  readonly #ledger: Ledger;
  readonly #blocks: BlockTable;
  readonly #named = new Uint8Array(SESSION_SLOTS);
  #reaped = 0;

  constructor(file: ControlFile, geometry: Geometry, effects: SessionEffects) {
    this.#file = file;
    this.#geometry = geometry;
    this.#effects = effects;
    this.#ledger = new Ledger(file, geometry);
    this.#blocks = new BlockTable(file, geometry);
  }

  /** Sessions that are at work now. */
  get liveSessions(): number {
    let live = 0;
    for (let session = 1; session < SESSION_SLOTS; session++) if (this.#state(session) === SESSION_ACTIVE) live++;
    return live;
  }

  /** Chunks taken back from sessions that ended without releasing them. */
  get reapedChunks(): number {
    return this.#reaped;
  }

  /**
   * Gives a free slot to a new application.
   * @param taken slots that were given out and may not be held yet. @returns undefined when there is none.
   */
  admit(pid: number, taken: ReadonlySet<number>): number | undefined {
    for (let session = 1; session < SESSION_SLOTS; session++) {
      if (taken.has(session) || this.#state(session) !== SESSION_FREE || this.#effects.isHeld(session)) continue;
      const { words } = this.#file;
      const at = SESSIONS + session * SESSION_WORDS;
      // The numbers of requests and reclaims go on counting, so that nothing of the last owner is taken for the new one's.
      Atomics.store(words, at + SESSION.responseSeq, Atomics.load(words, at + SESSION.requestSeq));
      for (const field of [SESSION.reclaimChunks, SESSION.revocableChunks, SESSION.slackKib, SESSION.waits] as const) {
        this.#set(session, field, 0);
      }
      this.#set(session, SESSION.pid, pid);
      Atomics.add(words, at + SESSION.generation, 1);
      this.#effects.openWake(session);
      return session;
    }
    return undefined;
  }

  /**
   * Whether a session that a predecessor let in goes on with this agent. Its lock proves that its process lives; the slot
   * was never free, so that nobody else can have got it.
   */
  mayResume(session: number, pid: number): boolean {
    if (!Number.isInteger(session) || session < 1 || session >= SESSION_SLOTS) return false;
    if (this.#state(session) !== SESSION_ACTIVE || !this.#effects.isHeld(session)) return false;
    return Atomics.load(this.#file.words, SESSIONS + session * SESSION_WORDS + SESSION.pid) === pid;
  }

  /** The application is ready. @returns false when nobody holds the session. */
  activate(session: number): boolean {
    if (!this.#effects.isHeld(session)) return false;
    this.#set(session, SESSION.state, SESSION_ACTIVE);
    return true;
  }

  /**
   * Takes back what dead sessions hold: after a socket closes, at the start, and on every tick for those whose socket
   * outlived them (a child that inherited it). Being held is the only proof, either way (decisions/0002): a lease in the
   * name of a session that nobody holds goes whatever the slot says, and one that is held stays whatever the slot says.
   * @param admitted sessions that were let in and are not held yet.
   */
  reapDead(admitted: ReadonlySet<number> = NOBODY): void {
    this.#noteNamed();
    for (let session = 1; session < SESSION_SLOTS; session++) {
      const state = this.#state(session);
      const named = this.#named[session] === 1;
      if (state === SESSION_FREE && (!named || admitted.has(session))) continue;
      if (!this.#effects.isHeld(session)) this.#reap(session);
      else if (named && state !== SESSION_ACTIVE) this.#set(session, SESSION.state, SESSION_ACTIVE);
    }
  }

  /** Notes which sessions the ledger names as holders. */
  #noteNamed(): void {
    const named = this.#named.fill(0);
    const blocks = this.#blocks;
    for (let chunk = 0; chunk < this.#ledger.chunkCount; chunk++) {
      const word = this.#ledger.peek(chunk);
      const state = stateOf(word);
      if (state === STATE.leased || state === STATE.leasedRevocable || state === STATE.splitting) {
        named[sessionOf(word)] = 1; // of one beyond the slots there is nothing to note
      } else if (state === STATE.split) {
        for (let block = 0; block < blocks.perChunk; block++) {
          const holder = blocks.peek(chunk, block) - BLOCK.sessionBase;
          if (holder > 0) named[holder] = 1;
        }
      }
    }
  }

  #reap(session: number): void {
    this.#set(session, SESSION.state, SESSION_CLOSING);
    this.#set(session, SESSION.revocableChunks, 0);
    this.#set(session, SESSION.reclaimChunks, 0);
    this.#set(session, SESSION.slackKib, 0);
    this.#reaped += reapSession(this.#file, this.#geometry, session);
    this.#effects.closeWake(session);
    this.#set(session, SESSION.state, SESSION_FREE);
    this.#effects.ring();
  }

  #state(session: number): number {
    return Atomics.load(this.#file.words, SESSIONS + session * SESSION_WORDS + SESSION.state);
  }

  #set(session: number, field: number, value: number): void {
    Atomics.store(this.#file.words, SESSIONS + session * SESSION_WORDS + field, value);
  }
}
