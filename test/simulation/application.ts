/** An application: borrows, touches, lets go, and does as `client/` does with its session slot. */
import { GIVEN, SESSION, SESSION_WORDS, SESSIONS, STATE, wordOf } from '../../src/control/layout.ts';
import { ChunkSpace } from '../../src/platforms/arena/chunk-space.ts';
import type { Claimed } from '../../src/platforms/contracts.ts';
import type { Backend } from './backend.ts';
import type { Agent, Domain } from './domain.ts';
import type { Holder } from './memory.ts';
import { Process, Thread } from './process.ts';
import { Violation } from './violation.ts';

/** What an application does when it is asked to let go. */
export type Temper = 'yields' | 'stuck' | 'intermittent';

const ANSWER_GRACE_MICROS = 250_000;
/** A promise is kept for a look round at least: 250 ms. */
const PROMISE_MICROS = 200_000;
const CONNECT_PATIENCE_MICROS = 50_000;

interface Request {
  readonly seq: number;
  readonly chunks: number;
  readonly giveUpAt: number;
  readonly dueAt: number;
  readonly agent: Agent;
  readonly backend: Backend;
  readonly promisedBefore: number;
  answeredAt: number;
}

export class Application extends Thread implements Holder {
  readonly tag: number;
  readonly domain: Domain;
  readonly temper: Temper;
  readonly leases: { readonly claimed: Claimed; readonly revocable: boolean }[] = [];
  /** The session whose lock its process holds. */
  locked: number | undefined;
  request: Request | undefined;
  #space: ChunkSpace | undefined;
  #ready = false;
  #rung = false;
  #patienceEnds = 0;
  #agent: Agent | undefined;
  #seenReclaim = 0;
  /** The back end has not answered it yet, that we know of. */
  unserved = true;
  /** It has waited for the answer to each request so far. */
  #patient = true;

  constructor(domain: Domain, tag: number, temper: Temper) {
    super(new Process(`application ${tag} of ${domain.name}`), `application ${tag} of ${domain.name}`);
    this.domain = domain;
    this.tag = tag;
    this.temper = temper;
    this.process.onDeath = () => this.#ended();
  }

  get isHostile(): boolean {
    return this.domain.isHostile;
  }

  override get rung(): boolean {
    return this.#rung;
  }

  woken(): void {
    if (this.request && !this.unanswered && this.request.answeredAt < 0) this.request.answeredAt = this.#now;
    if (!this.domain.world.losesRing()) this.#rung = true;
  }

  admitted(session: number): void {
    if (this.locked !== undefined) return;
    this.locked = session;
    this.#rung = true;
  }

  activated(): void {
    this.#ready = true;
    this.#rung = true;
  }

  override step(): void {
    const { random } = this.domain.world;
    this.#rung = false;
    this.wakeAt = this.#now + (this.domain.world.calm ? 50_000 : random.spread(20, 20_000));
    if (!this.#ready || !this.#space) this.#join();
    else if (this.domain.world.calm) this.#finish();
    else {
      this.unserved = false;
      this.#letGoIfAsked();
      if (this.request) this.#await(this.request);
      else this.#live();
    }
  }

  #join(): void {
    const { agent } = this.domain;
    if (this.#agent !== agent || (this.locked === undefined && this.#now >= this.#patienceEnds)) {
      this.#agent = agent;
      this.locked = undefined;
      this.#ready = false;
      this.#patienceEnds = this.#now + CONNECT_PATIENCE_MICROS;
      if (agent.process.alive) agent.main.inbox.push({ kind: 'hello', from: this });
    } else if (this.locked !== undefined && !this.#space) {
      const { world, file, id } = this.domain;
      const grants = world.safeguards.claimsByBooks ? { owners: world.owners, pair: id } : undefined;
      this.#space = new ChunkSpace(file, world.geometry, this.locked, grants, world.memory);
      this.#seenReclaim = this.#word('reclaimSeq');
      agent.main.inbox.push({ kind: 'ready', from: this });
    } else if (this.#space && this.#now >= this.#patienceEnds + CONNECT_PATIENCE_MICROS) {
      this.#space = undefined;
      this.#agent = undefined;
    }
  }

  #live(): void {
    const { random, chunkBytes } = this.domain.world;
    const act = random.next();
    if (act < 0.45) {
      const bytes = random.spread(2 ** 16, this.domain.world.scenario.largestLeaseChunks * chunkBytes);
      const revocable = random.chance(0.5);
      if (!this.#claim(bytes, revocable) && random.chance(0.7)) this.#ask(Math.ceil(bytes / chunkBytes));
    } else if (act < 0.85) this.#release(random.below(Math.max(1, this.leases.length)));
    else if (act < 0.95) this.#ask(random.between(1, this.domain.world.scenario.largestLeaseChunks));
  }

  #claim(bytes: number, revocable: boolean): boolean {
    const claimed = this.#space!.claim(bytes, revocable);
    if (!claimed) return false;
    this.domain.world.memory.take(this, claimed);
    this.leases.push({ claimed, revocable });
    this.domain.world.tally.claims++;
    this.domain.world.note(this.name, revocable ? 'claims, revocably' : 'claims');
    this.#tellRevocable();
    this.#ring(); // the product's client rings when the reserve runs low; more often does no harm
    return true;
  }

  #release(index: number): void {
    const [lease] = this.leases.splice(index, 1);
    if (!lease) return;
    this.domain.world.note(this.name, 'releases');
    this.domain.world.memory.give(this, lease.claimed);
    this.#space!.release(lease.claimed);
    this.#tellRevocable();
    this.#ring();
  }

  #ask(chunks: number): void {
    const deadlineMicros = this.domain.world.random.spread(500, 50_000);
    const { words } = this.domain.file;
    const seq = (this.#word('requestSeq') + 1) | 0;
    words[this.#at + SESSION.requestChunks] = chunks;
    words[this.#at + SESSION.requestDeadlineMicros] = deadlineMicros;
    const dueAt = this.#now + deadlineMicros;
    // Some wait for as long as it takes, which shows what never comes; some lose patience, and ask for something else.
    const patience = this.domain.world.random.next();
    const giveUpAt =
      patience < 0.4 && !this.isHostile
        ? Number.POSITIVE_INFINITY
        : patience < 0.8
          ? dueAt + ANSWER_GRACE_MICROS
          : this.#now + deadlineMicros * patience ** 8;
    this.request = {
      seq,
      chunks,
      dueAt,
      giveUpAt,
      answeredAt: -1,
      agent: this.domain.agent,
      backend: this.domain.world.backend,
      promisedBefore: this.#promised(),
    };
    this.domain.world.note(this.name, `asks for ${chunks} chunks within ${deadlineMicros} µs`);
    Atomics.store(words, this.#at + SESSION.requestSeq, seq);
    this.#ring();
  }

  #await(request: Request): void {
    if (this.#word('responseSeq') !== request.seq) {
      if (this.#now >= request.giveUpAt) {
        this.request = undefined;
        this.#patient = false;
      } else this.wakeAt = Math.min(this.#now + 20_000, request.giveUpAt);
      return;
    }
    const status = this.#word('responseStatus');
    const { world, agent } = this.domain;
    world.note(this.name, `is answered: ${Object.keys(GIVEN)[status]}`);
    this.request = undefined;
    world.tally[status === GIVEN.ok ? 'given' : 'refused']++;
    if (status !== GIVEN.ok) {
      if (this.#patient && agent === request.agent && !this.isHostile) this.#checkNothingPromised(request);
      return;
    }
    if (this.#claim(request.chunks * world.chunkBytes, true)) return;
    const inTime = request.answeredAt >= 0 && this.#now - request.answeredAt < PROMISE_MICROS;
    const undisturbed = world.disturbedUntil < request.dueAt - 50_000;
    if (inTime && undisturbed && !this.isHostile) {
      throw new Violation('promise kept', `${this.name} was given ${request.chunks} chunks and cannot claim them`);
    }
  }

  /** A request that fails leaves nothing behind: no more is promised than was before. */
  #checkNothingPromised({ backend, promisedBefore }: Request): void {
    if (backend !== this.domain.world.backend) return; // a new one takes back what is promised when a request comes anew
    const promised = this.#promised();
    if (promised <= promisedBefore) return;
    throw new Violation('nothing left behind', `${this.name} was refused, and ${promised} chunks stay promised to it`);
  }

  /** Chunks that are promised to its session; what it takes first when it claims is chance. */
  #promised(): number {
    const { ledger } = this.domain;
    let chunks = 0;
    for (let chunk = 0; chunk < ledger.chunkCount; chunk++) {
      if (ledger.peek(chunk) === wordOf(STATE.promised, this.locked)) chunks++;
    }
    return chunks;
  }

  #letGoIfAsked(): void {
    const seq = this.#word('reclaimSeq');
    if (seq === this.#seenReclaim) return;
    const { random } = this.domain.world;
    if (this.temper === 'stuck' || (this.temper === 'intermittent' && random.chance(0.5))) return;
    this.#seenReclaim = seq;
    for (let wanted = Math.max(0, this.#word('reclaimChunks')); wanted > 0; ) {
      const index = this.leases.findIndex(({ revocable }) => revocable);
      if (index < 0) return;
      wanted -= this.leases[index]!.claimed.chunks;
      this.#release(index);
    }
  }

  /** Everything goes back; what was asked for is waited for. One who has just come asks until it is heard. */
  #finish(): void {
    this.#release(0);
    if (this.leases.length > 0) this.wakeAt = this.#now;
    if (this.request && !this.unanswered) {
      this.request = undefined;
      // EMPTY may be the front end's own answer, that could not pass the request on; all others are the back end's.
      const status = this.#word('responseStatus');
      if (status !== GIVEN.empty && status !== GIVEN.invalid) this.unserved = false;
    }
    // An answer that could not be told while the ring was spoilt does not come: as in the product, one asks again.
    if (this.isHostile && this.request && this.#now >= this.request.giveUpAt) this.request = undefined;
    if (!this.unserved || this.request || this.#now < this.#patienceEnds) return;
    this.#patienceEnds = this.#now + CONNECT_PATIENCE_MICROS;
    this.#ask(1);
  }

  #ended(): void {
    this.domain.world.memory.forget(this);
    this.leases.length = 0;
    this.locked = undefined;
    this.request = undefined;
    const { agent } = this.domain;
    if (agent.process.alive) agent.main.inbox.push({ kind: 'closed', from: this });
  }

  #tellRevocable(): void {
    let chunks = 0;
    for (const { claimed, revocable } of this.leases) if (revocable) chunks += claimed.chunks;
    Atomics.store(this.domain.file.words, this.#at + SESSION.revocableChunks, chunks);
  }

  #ring(): void {
    if (!this.domain.world.losesRing()) this.domain.agent.bell.ring(this.locked!);
  }

  get #now(): number {
    return this.domain.world.clock.monotonicMicros();
  }

  get #at(): number {
    return SESSIONS + this.locked! * SESSION_WORDS;
  }

  #word(field: keyof typeof SESSION): number {
    return Atomics.load(this.domain.file.words, this.#at + SESSION[field]);
  }

  /** Its request, while there is no answer. Read past the cuts: this is for whoever watches. */
  get unanswered(): Request | undefined {
    if (!this.request) return undefined;
    const answered = this.domain.file.words[this.#at + SESSION.responseSeq] === this.request.seq;
    return answered ? undefined : this.request;
  }
}
