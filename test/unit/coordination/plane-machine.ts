/**
 * Both planes of a machine, by hand: no threads, no files, a clock that stands still, and memory of which only a tag a
 * block is kept. Everybody polls in turn until nobody has anything left to do; one that never gets there is at fault.
 */
import assert from 'node:assert/strict';
import { VirtualClock } from '../../../src/clock.ts';
import type { ControlFile } from '../../../src/control/contracts.ts';
import { controlFileInMemory } from '../../../src/control/control-file.ts';
import {
  FRONT,
  type Geometry,
  SESSION,
  SESSION_ACTIVE,
  SESSION_CLOSING,
  SESSION_FREE,
  SESSION_WORDS,
  SESSIONS,
  STATE,
  stateOf,
} from '../../../src/control/layout.ts';
import { Ledger } from '../../../src/control/ledger.ts';
import { type OwnerWords, ownersInMemory } from '../../../src/control/owner-table.ts';
import type { TellOverLink } from '../../../src/coordination/answer-memory.ts';
import { BackendPlane } from '../../../src/coordination/backend-plane.ts';
import { ChunkBooks } from '../../../src/coordination/chunk-books.ts';
import { FrontendPlane } from '../../../src/coordination/frontend-plane.ts';
import type { PairLimits } from '../../../src/coordination/pair-limits.ts';
import { SOURCE_BACKEND, SOURCE_MAIN } from '../../../src/coordination/sources.ts';
import { reapSession } from '../../../src/platforms/arena/chunk-keeper.ts';
import { ChunkSpace } from '../../../src/platforms/arena/chunk-space.ts';
import { extentsOf } from '../../../src/platforms/arena/extents.ts';
import type { Claimed, LeaseHolder } from '../../../src/platforms/contracts.ts';

/** 16 chunks of 512 KiB (two scrub slices each) in 8 blocks. */
export const GEOMETRY: Geometry = { chunkCount: 16, chunkShift: 19, blockShift: 16 };
export const BLOCKS = 8;
export const BLOCK_BYTES = 2 ** 16;
export const CHUNK_BYTES = 2 ** 19;
const QUIET_ROUNDS = 500;

class Killed extends Error {}

/** Books whose keeper may be killed before and after each change. */
class MortalBooks extends ChunkBooks {
  readonly #mayDie: () => void;

  constructor(chunkCount: number, owners: OwnerWords, mayDie: () => void) {
    super(chunkCount, owners);
    this.#mayDie = mayDie;
  }

  override give(chunk: number, pair: number): void {
    this.#mayDie();
    super.give(chunk, pair);
    this.#mayDie();
  }

  override takeBack(chunk: number, clean: boolean): void {
    this.#mayDie();
    super.takeBack(chunk, clean);
    this.#mayDie();
  }
}

export class PlaneMachine {
  readonly clock = new VirtualClock(1_000_000);
  /** Who last wrote each block: 0 for zeroed memory. */
  readonly tags = new Int32Array(GEOMETRY.chunkCount * BLOCKS);
  readonly holders = new Map<number, App>();
  /** What outlives the back end: its books, and nothing else of it. */
  readonly owners = ownersInMemory(GEOMETRY.chunkCount);
  readonly #limits: readonly PairLimits[];
  back: BackendPlane;
  readonly domains: Domain[] = [];
  readonly backBell = new Int32Array(8);
  /** Sabotage: memory changes hands as it is. */
  scrubbing = true;
  /** The back end neither reads its rings nor beats: their shared memory is stale. */
  ringsAreStale = false;
  /** What the back end tells over the slow link. */
  tellOverLink: (pair: number, answer: Parameters<TellOverLink>) => void = () => {};
  polls = 0;
  #beatDue = 0;
  #lifeLeft = Number.POSITIVE_INFINITY;

  constructor(limits: readonly PairLimits[], chunks = GEOMETRY.chunkCount) {
    this.#limits = limits;
    for (const id of limits.keys()) this.domains.push(new Domain(this, id));
    this.back = this.startBack();
    for (let chunk = 0; chunk < chunks; chunk++) this.back.books.addFree(chunk, true);
  }

  /** The back end dies, if there was one, and another takes up what it has left. */
  startBack(): BackendPlane {
    this.back = new BackendPlane(
      GEOMETRY,
      {
        clock: this.clock,
        scrub: (offset, length) => {
          this.#mayDie();
          this.scrub(offset, length);
        },
        ringFront: (pair) => {
          this.#mayDie();
          ring(this.domains[pair]!.bell, SOURCE_BACKEND);
        },
        answerOverLink: (pair, ...answer) => this.tellOverLink(pair, answer),
      },
      new MortalBooks(GEOMETRY.chunkCount, this.owners, () => this.#mayDie()),
    );
    for (const [id, limit] of this.#limits.entries()) {
      this.back.addPair(id, this.domains[id]!.file, GEOMETRY, limit);
    }
    return this.back;
  }

  /** From now on the back end lives for `steps` of its effects: scrubs, rings, and each half of a change in the books. */
  killBackAfter(steps: number): void {
    this.#lifeLeft = steps;
  }

  #mayDie(): void {
    if (this.#lifeLeft-- === 0) throw new Killed();
  }

  #pollBack(step: () => number): number {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.startBack();
      return 0;
    }
  }

  scrub(offset: number, length: number): void {
    assert.ok(offset % BLOCK_BYTES === 0 && length % BLOCK_BYTES === 0 && length > 0, `scrub ${offset} +${length}`);
    if (this.scrubbing) this.tags.fill(0, offset / BLOCK_BYTES, (offset + length) / BLOCK_BYTES);
  }

  /** Everybody polls until all of them would sleep. The clock stands still meanwhile. */
  settle(): void {
    for (let round = 0; round < QUIET_ROUNDS; round++) {
      if (this.ringsAreStale) this.backBell.fill(0);
      let busy = this.#poll(() => this.#pollBack(() => this.back.poll(this.backBell)));
      if (!this.ringsAreStale && this.clock.monotonicMicros() >= this.#beatDue) {
        this.#beatDue = this.clock.monotonicMicros() + 100_000;
        this.#pollBack(() => {
          this.back.beat();
          return 0;
        });
        busy = true;
      }
      for (const domain of this.domains) {
        if (!domain.stopped) busy = this.#poll(() => domain.plane.poll(domain.bell)) || busy;
      }
      if (!busy && !this.#rung()) return;
    }
    assert.fail(`still busy after ${QUIET_ROUNDS} rounds`);
  }

  #rung(): boolean {
    return [this.backBell, ...this.domains.filter(({ stopped }) => !stopped).map(({ bell }) => bell)].some((bell) =>
      bell.some((word) => word !== 0),
    );
  }

  advance(micros: number): void {
    this.clock.advanceMicros(micros);
    this.settle();
  }

  #poll(poll: () => number): boolean {
    this.polls++;
    return poll() === 0;
  }

  /** What must hold at every instant: one owner for each chunk, and all chunks accounted for. */
  check(): void {
    const { books } = this.back;
    let held = 0;
    for (const domain of this.domains) held += books.heldBy(domain.id);
    assert.equal(books.freeChunks + held, books.presentChunks, 'conservation');
    for (let chunk = 0; chunk < GEOMETRY.chunkCount; chunk++) {
      const users = this.domains.filter(({ ledger }) => stateOf(ledger.peek(chunk)) !== STATE.none);
      assert.ok(users.length <= 1, `chunk ${chunk} is in use in ${users.length} domains`);
      const owner = Math.max(-1, books.ownerOf(chunk)); // below: free, or without memory
      assert.equal(users[0]?.id ?? -1, owner, `chunk ${chunk}: books and ledger agree`);
    }
    for (const [block, app] of this.holders) {
      assert.equal(this.tags[block], app.tag, `block ${block} is still what its holder wrote`);
    }
  }

  /** How many chunks of a domain are in a state. */
  count(domain: number, state: number): number {
    return this.domains[domain]!.ledger.count(state);
  }
}

export class Domain {
  readonly machine: PlaneMachine;
  readonly id: number;
  readonly file: ControlFile;
  readonly ledger: Ledger;
  readonly bell = new Int32Array(8);
  readonly apps = new Map<number, App>();
  plane: FrontendPlane;
  /** A front end that is stopped: not dead, but silent. */
  stopped = false;

  constructor(machine: PlaneMachine, id: number) {
    this.machine = machine;
    this.id = id;
    this.file = controlFileInMemory(GEOMETRY, id);
    this.ledger = new Ledger(this.file, GEOMETRY);
    this.plane = this.startPlane();
  }

  /** The front end dies and another one takes its place. */
  startPlane(): FrontendPlane {
    this.plane = new FrontendPlane(
      this.file,
      GEOMETRY,
      {
        clock: this.machine.clock,
        scrub: (offset, length) => this.machine.scrub(offset, length),
        wakeSession: (session) => this.apps.get(session)?.woken(),
        ringBackend: () => ring(this.machine.backBell, this.id),
      },
      { owners: this.machine.owners, pair: this.id },
    );
    return this.plane;
  }

  setReserve(chunks: number): void {
    Atomics.store(this.file.words, FRONT.reserveTarget, chunks);
    ring(this.bell, SOURCE_MAIN);
  }

  connect(session: number): App {
    const app = new App(this, session);
    this.apps.set(session, app);
    return app;
  }
}

let lastTag = 0;

/** An application: a session of a domain. */
export class App {
  readonly tag = ++lastTag;
  readonly domain: Domain;
  readonly session: number;
  readonly space: ChunkSpace;
  readonly claims: { readonly claimed: Claimed; readonly revocable: boolean }[] = [];
  /** Whether it lets go when it is asked to. */
  yields = true;
  wakes = 0;
  #seenReclaim: number;
  readonly #at: number;

  constructor(domain: Domain, session: number) {
    this.domain = domain;
    this.session = session;
    const grants = { owners: domain.machine.owners, pair: domain.id };
    this.space = new ChunkSpace(domain.file, GEOMETRY, session, grants, domain.machine);
    this.#at = SESSIONS + session * SESSION_WORDS;
    Atomics.store(this.#words, this.#at + SESSION.responseSeq, this.word('requestSeq'));
    this.#seenReclaim = this.word('reclaimSeq');
    Atomics.store(this.#words, this.#at + SESSION.state, SESSION_ACTIVE);
  }

  get #words(): Int32Array {
    return this.domain.file.words;
  }

  word(field: keyof typeof SESSION): number {
    return Atomics.load(this.#words, this.#at + SESSION[field]);
  }

  /** Claims, checks that it is zeroed and nobody else's, and writes its tag. */
  claim(bytes: number, revocable = false): Claimed | undefined {
    const claimed = this.space.claim(bytes, revocable);
    if (!claimed) return undefined;
    const { machine } = this.domain;
    for (const block of blocksOf(claimed)) {
      assert.equal(machine.holders.has(block), false, `block ${block} has two owners`);
      assert.equal(machine.tags[block], 0, `block ${block} is handed on as it was`);
      machine.holders.set(block, this);
      machine.tags[block] = this.tag;
    }
    this.claims.push({ claimed, revocable });
    this.#countRevocable();
    return claimed;
  }

  release(index = 0): void {
    const [claim] = this.claims.splice(index, 1);
    if (!claim) return;
    for (const block of blocksOf(claim.claimed)) this.domain.machine.holders.delete(block);
    this.space.release(claim.claimed);
    this.#countRevocable();
    ring(this.domain.bell, this.session);
  }

  /** This application as a `BorrowAttempt` sees it: what it claims is checked and tagged. */
  get holder(): LeaseHolder {
    const { space } = this;
    return {
      chunkBytes: CHUNK_BYTES,
      blockBytes: BLOCK_BYTES,
      claim: (bytes, revocable) => this.claim(bytes, revocable),
      missingChunks: (bytes, revocable) => space.missingChunks(bytes, revocable),
      dropPromises: () => space.dropPromises(),
      release: (claimed) => this.release(this.claims.findIndex((claim) => claim.claimed === claimed)),
    };
  }

  /** Posts a request for `chunks`. @returns its number. */
  request(chunks: number, deadlineMicros: number): number {
    this.#words[this.#at + SESSION.requestChunks] = chunks;
    this.#words[this.#at + SESSION.requestDeadlineMicros] = deadlineMicros;
    const seq = Atomics.add(this.#words, this.#at + SESSION.requestSeq, 1) + 1;
    ring(this.domain.bell, this.session);
    return seq;
  }

  /** Status of the last request, or undefined while there is no answer. */
  get answer(): number | undefined {
    return this.word('responseSeq') === this.word('requestSeq') ? this.word('responseStatus') : undefined;
  }

  woken(): void {
    this.wakes++;
    if (this.word('reclaimSeq') === this.#seenReclaim || !this.yields) return;
    this.#seenReclaim = this.word('reclaimSeq');
    for (let wanted = this.word('reclaimChunks'); wanted > 0; ) {
      const index = this.claims.findIndex(({ revocable }) => revocable);
      if (index < 0) return;
      wanted -= this.claims[index]!.claimed.chunks;
      this.release(index);
    }
  }

  /** Its process dies, and the session is taken back on that proof. */
  die(): void {
    Atomics.store(this.#words, this.#at + SESSION.state, SESSION_CLOSING);
    Atomics.store(this.#words, this.#at + SESSION.revocableChunks, 0);
    for (const { claimed } of this.claims.splice(0)) {
      for (const block of blocksOf(claimed)) this.domain.machine.holders.delete(block);
    }
    this.domain.apps.delete(this.session);
    this.reap();
    Atomics.store(this.#words, this.#at + SESSION.state, SESSION_FREE);
  }

  /** Sabotage: as if there were proof of its death. */
  reap(): void {
    reapSession(this.domain.file, GEOMETRY, this.session);
    ring(this.domain.bell, SOURCE_MAIN);
  }

  #countRevocable(): void {
    let chunks = 0;
    for (const { claimed, revocable } of this.claims) if (revocable) chunks += claimed.chunks;
    Atomics.store(this.#words, this.#at + SESSION.revocableChunks, chunks);
  }
}

/** The blocks of a claim, counted from the start of the arena. */
export function blocksOf(claimed: Claimed): number[] {
  return extentsOf(claimed, CHUNK_BYTES, BLOCK_BYTES).flatMap(({ offset, length }) =>
    Array.from({ length: length / BLOCK_BYTES }, (_, at) => offset / BLOCK_BYTES + at),
  );
}

export function ring(bell: Int32Array, source: number): void {
  bell[source >>> 5] = bell[source >>> 5]! | (1 << (source & 31));
}
