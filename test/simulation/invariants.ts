/** What must hold at every step, whoever is in the middle of whatever; and what must hold in the end. */
import { STATE, sessionOf, stateOf, wordOf } from '../../src/control/layout.ts';
import { BlockTable } from '../../src/control/ledger.ts';
import { OWNER, ownedBy } from '../../src/control/owner-table.ts';
import { MIB } from '../../src/units.ts';
import type { Application } from './application.ts';
import type { Domain } from './domain.ts';
import type { Scenario } from './scenario.ts';
import { Violation } from './violation.ts';
import { BRAKES, type World } from './world.ts';

/** From the deadline, or the end of what disturbed it, to the answer: "service back within 1 s". */
const PROGRESS_MICROS = 1_000_000;

export const backoffMicros = ({ stuckBackoffMicros = 1_000_000 }: Scenario): number => stuckBackoffMicros;

export class Invariants {
  /** In the end everybody gets as long to put everything in order. */
  readonly calmMicros = 5_000_000;
  readonly #world: World;
  readonly #held: Int32Array;
  /** Above its ceiling a domain may be only because the ceiling was lowered; below its floor by its own will. */
  readonly #reachedFloor: boolean[] = [];
  readonly #granted: { at: number; by: number }[][];
  /** Of each donor: until when it was to return something, and whether it returned anything since it was asked. */
  readonly #asked: ({ until: number; returned: boolean } | undefined)[] = [];
  #checks = 0;

  constructor(world: World) {
    this.#world = world;
    this.#held = new Int32Array(world.domains.length);
    this.#granted = world.domains.map(() => []);
  }

  check(): void {
    const world = this.#world;
    // A large machine is looked over in full now and then only: each look costs as much as it has chunks.
    if (this.#checks++ % Math.ceil((world.domains.length * world.geometry.chunkCount) / 256) === 0) this.#checkChunks();
    if (world.scenario.budgets) this.#checkBudgets();
    this.#checkProgress();
  }

  #checkChunks(): void {
    const { domains, geometry, memory, backend } = this.#world;
    memory.check();
    // A back end that is in the middle of a step, or dead, has steps of its own left to take.
    const settled = backend.plane !== undefined && backend.process.alive && !this.#world.isBusy(backend.process);
    this.#held.fill(0);
    let free = 0;
    let present = 0;
    for (let chunk = 0; chunk < geometry.chunkCount; chunk++) {
      const owner = this.#world.owners[chunk]! - OWNER.firstPair;
      if (this.#world.owners[chunk] === OWNER.free) free++;
      if (this.#world.owners[chunk] !== OWNER.absent) present++;
      if (owner >= 0) this.#held[owner]!++;
      for (const domain of domains) {
        if (domain.isHostile) continue;
        const state = stateOf(domain.ledger.peek(chunk));
        // RETURNING is the back end's to act upon, and between its two steps on the way in and out.
        const used = state !== STATE.none && (settled || state !== STATE.returning);
        if (used && owner !== domain.id) {
          throw new Violation('one owner', `chunk ${chunk} is in use in ${domain.name}, and the books name ${owner}`);
        }
        if (settled && owner === domain.id && !used) {
          throw new Violation(
            'conservation',
            `chunk ${chunk} is ${domain.name}'s by the books, which knows nothing of it`,
          );
        }
      }
      if (owner < 0 && memory.isHeld(chunk)) throw new Violation('one owner', `chunk ${chunk} is used and free`);
    }
    if (!settled) return;
    const { books } = backend.plane;
    for (const { id, name, limits, ledger, isHostile } of domains) {
      if (books.heldBy(id) !== this.#held[id]) throw new Violation('conservation', `the books miscount ${name}`);
      if (books.heldBy(id) > limits.ceilingChunks) {
        throw new Violation('ceiling', `${name} holds ${books.heldBy(id)} chunks of at most ${limits.ceilingChunks}`);
      }
      if (!isHostile) this.#checkFloor(id, name, limits.floorChunks, books.heldBy(id), ledger.count(STATE.promised));
    }
    if (books.freeChunks !== free) throw new Violation('conservation', 'the books miscount what is free');
    if (books.presentChunks !== present) throw new Violation('conservation', 'the books miscount what there is');
  }

  #checkFloor(id: number, name: string, floor: number, held: number, promised: number): void {
    if (held - promised >= floor) this.#reachedFloor[id] = true;
    if (held >= floor || !this.#reachedFloor[id]) return;
    throw new Violation('floor', `${name} is left ${held} chunks of at least ${floor}`);
  }

  #checkBudgets(): void {
    const { domains, owners, chunkBytes, budgetTotal } = this.#world;
    let held = 0;
    for (const owner of owners) if (owner !== OWNER.absent) held += chunkBytes;
    for (const { name, budget } of domains) {
      held += budget.limit;
      if (budget.limit < budget.floor) throw new Violation('floor', `the budget of ${name} is below its floor`);
      if (budget.limit > budget.ceiling) throw new Violation('ceiling', `the budget of ${name} is above its ceiling`);
    }
    if (held > budgetTotal) {
      throw new Violation('budgets', `${held - budgetTotal} bytes were given away that nobody had freed`);
    }
  }

  /** A domain is granted growth: no step above the cap, and never more in a second than the bucket holds and earns. */
  checkGrant(id: number, by: number): void {
    const { domains, now } = this.#world;
    const { name, budget } = domains[id]!;
    if (budget.limit + by <= budget.floor) return; // a floor is a promise, past caps and buckets
    if (by > BRAKES.step_cap_mib * MIB) throw new Violation('budgets', `${name} is granted ${by} bytes in one step`);
    const granted = this.#granted[id]!;
    granted.push({ at: now, by });
    while (granted[0]!.at < now - 1_000_000) granted.shift();
    const sum = granted.reduce((all, one) => all + one.by, 0);
    if (sum > (BRAKES.token_burst_mib + BRAKES.tokens_mib_per_s) * MIB) {
      throw new Violation('budgets', `${name} is granted ${sum} bytes within a second`);
    }
  }

  /** A donor is asked: not if it has let a deadline pass of late and has returned nothing since. */
  checkAsked({ id, name, isHostile }: Domain, budgetMicros: number): void {
    const { now, scenario, backend } = this.#world;
    // Heard of at the end of a step, which may have taken a while: hence the half. It knows of deadlines before it only.
    const began = backend.planeThread.stepBeganAt;
    const alone = backoffMicros(scenario) / 2;
    const until = now + budgetMicros;
    const asked = this.#asked[id];
    if (asked && !asked.returned && began > asked.until && now < asked.until + alone && !isHostile) {
      throw new Violation('left alone', `${name} is asked again ${now - asked.until} µs after it let a deadline pass`);
    }
    const open = asked !== undefined && now <= asked.until;
    this.#asked[id] = open ? { ...asked, until: Math.max(asked.until, until) } : { until, returned: false };
  }

  noteReturned(id: number): void {
    const asked = this.#asked[id];
    if (asked) asked.returned = true;
  }

  /** A new back end knows nothing of what its predecessor granted, nor of whom it had asked. */
  meetNewBackend(): void {
    this.#asked.length = 0;
    for (const granted of this.#granted) granted.length = 0;
  }

  #checkProgress(): void {
    for (const domain of this.#world.domains) {
      if (domain.isHostile) continue;
      for (const application of domain.applications) this.#checkAnswered(domain, application);
    }
  }

  #checkAnswered(domain: Domain, application: Application): void {
    const request = application.request;
    if (!request || this.#world.now < request.dueAt + PROGRESS_MICROS || !application.unanswered) return;
    const { backend, now, disturbedUntil } = this.#world;
    const parties = [application.process, domain.agent.process, backend.process];
    if (parties.some(({ alive }) => !alive)) return;
    const since = Math.max(request.dueAt, disturbedUntil, ...parties.map((party) => party.disturbedUntil));
    if (now < since + PROGRESS_MICROS) return;
    throw new Violation('progress', `${application.name} waits for an answer since ${(since / 1000).toFixed(3)} ms`);
  }

  /** Everybody has gone home: all memory is where it belongs, and nothing is under way. */
  checkEnd(): void {
    const { domains, geometry, memory, backend, owners } = this.#world;
    const { books } = backend.plane!;
    this.#checkChunks();
    const hostile = domains.find(({ isHostile }) => isHostile);
    if (hostile && backend.plane!.violationsOf(hostile.id) === 0) {
      throw new Violation('violation reported', `${hostile.name} wrote what it liked, and nobody noticed`);
    }
    const ringsOnly = this.#world.scenario.faults.mutations?.every((kind) => kind.startsWith('ring'));
    if (ringsOnly && hostile?.applications.some(({ unserved }) => unserved)) {
      throw new Violation('progress', `the link of ${hostile.name} was not made anew: it is not served`);
    }
    const honest = domains.filter((domain) => domain !== hostile);
    const blocks = honest.map(({ file }) => new BlockTable(file, geometry));
    for (let chunk = 0; chunk < geometry.chunkCount; chunk++) {
      for (const domain of honest) {
        const word = domain.ledger.peek(chunk);
        if (word === wordOf(STATE.none) || word === wordOf(STATE.offered) || word === wordOf(STATE.reserved)) continue;
        const state = Object.keys(STATE)[stateOf(word)];
        throw new Violation(
          'nothing left behind',
          `chunk ${chunk} is ${state} by session ${sessionOf(word)} of ${domain.name}`,
        );
      }
      for (const table of blocks) {
        for (let block = 0; block < table.perChunk; block++) {
          if (table.peek(chunk, block) === 0) continue;
          throw new Violation('nothing left behind', `block ${block} of chunk ${chunk} is ${table.peek(chunk, block)}`);
        }
      }
      if (books.isFree(chunk) && !books.isClean(chunk)) throw new Violation('scrubbed', `chunk ${chunk} stays dirty`);
    }
    const dirty = memory.tags.findIndex((tag, block) => {
      const owner = owners[Math.floor(block / memory.blocksPerChunk)];
      if (tag === 0 || memory.hostileTags.has(tag)) return false;
      return hostile === undefined || owner !== ownedBy(hostile.id);
    });
    if (dirty >= 0) throw new Violation('scrubbed', `block ${dirty} is not zeroed in the end`);
    for (const { applications } of honest) {
      for (const { name, unanswered } of applications) {
        if (unanswered) throw new Violation('progress', `${name} never got an answer`);
      }
    }
  }
}
