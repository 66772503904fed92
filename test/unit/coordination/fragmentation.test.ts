/**
 * A hundred thousand leases of random sizes and lifetimes, in several domains: nobody is refused while the memory that is
 * free for his domain would suffice, whatever pieces it lies in and however much of it is still to be scrubbed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STATE } from '../../../src/control/layout.ts';
import { BorrowAttempt } from '../../../src/coordination/borrow-attempt.ts';
import { WasteMeter } from '../../../src/platforms/arena/internal-waste.ts';
import type { Claimed, LeaseHolder, Refusal } from '../../../src/platforms/contracts.ts';
import { type App, BLOCK_BYTES, BLOCKS, CHUNK_BYTES, type Domain, GEOMETRY, PlaneMachine } from './plane-machine.ts';

const LEASES = 100_000;
const SEED = Number(process.env.MEMTIDE_SEED ?? Date.now() % 2 ** 31);
/** Ceilings of three domains, and what they are offered ahead of need. */
const LIMITS = [
  { ceilingChunks: 16, offerChunks: 2 },
  { ceilingChunks: 10, offerChunks: 1 },
  { ceilingChunks: 14, offerChunks: 0 },
];
const NO_FLOORS = [0, 0, 0];
const SESSIONS_A_DOMAIN = 3;
/** Nobody counts upon the memory of a donor that has let a deadline pass; here all of them are asked again at once. */
const NEVER_LEFT_ALONE = 0;

/** Sabotage: mechanisms that a run may do without. */
interface Without {
  /** Memory in pieces is given back. */
  readonly pieces?: boolean;
  /** The first answer is the last word. */
  readonly patience?: boolean;
}

class FalseRefusal extends Error {}

class Run {
  readonly machine: PlaneMachine;
  readonly apps: App[];
  readonly ends = new Map<Claimed, { app: App; step: number }>();
  readonly meters: WasteMeter[];
  readonly stats = { served: 0, refused: 0, scattered: 0, asked: 0, asks: 0, held: 0, rounding: 0, splitFree: 0 };
  readonly #floors: readonly number[];
  readonly #without: Without;
  #state: number;

  constructor(seed: number, floors: readonly number[], without: Without) {
    this.machine = new PlaneMachine(LIMITS.map((limits, id) => ({ ...limits, floorChunks: floors[id]! })));
    this.machine.back.setMode(false, NEVER_LEFT_ALONE);
    this.#state = seed >>> 0 || 1;
    this.#floors = floors;
    this.#without = without;
    this.apps = this.machine.domains.flatMap((domain) =>
      Array.from({ length: SESSIONS_A_DOMAIN }, (_, at) => domain.connect(at + 1)),
    );
    this.meters = this.machine.domains.map(({ file }) => new WasteMeter(file, GEOMETRY));
  }

  /** A whole number below `below`: xorshift32. */
  random(below: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % below;
  }

  step(step: number): void {
    for (const [claimed, { app, step: end }] of this.ends) if (end <= step) this.#end(app, claimed);
    if (step % 50 === 0) this.#stir();
    const app = this.apps[this.random(this.apps.length)]!;
    const revocable = this.random(8) === 0;
    const bytes = this.#size();
    const outcome = this.#borrow(app, bytes, revocable);
    if (typeof outcome === 'string') {
      this.stats.refused++;
      const free = this.#freeBlocks(app.domain, revocable);
      const wanted = revocable ? Math.ceil(bytes / CHUNK_BYTES) * BLOCKS : Math.ceil(bytes / BLOCK_BYTES);
      if (wanted <= free) {
        throw new FalseRefusal(
          `step ${step}: ${outcome} for ${wanted} blocks${revocable ? ', revocable' : ''} in domain ${
            app.domain.id
          }, while ${free} are free`,
        );
      }
      return;
    }
    this.#interleave();
    this.stats.served++;
    if (outcome.scattered) this.stats.scattered++;
    this.ends.set(outcome, { app, step: step + 1 + this.random(24) });
    if (step % 16 === 0) this.#weigh();
  }

  /** Half are below a chunk, few are large. */
  #size(): number {
    const kind = this.random(10);
    const most = kind < 5 ? CHUNK_BYTES : kind < 9 ? 3 * CHUNK_BYTES : 8 * CHUNK_BYTES;
    return 1 + this.random(most);
  }

  #end(app: App, claimed: Claimed): void {
    this.ends.delete(claimed);
    const index = app.claims.findIndex((claim) => claim.claimed === claimed);
    if (index >= 0) app.release(index); // unless it was asked back
  }

  #stir(): void {
    const { machine } = this;
    machine.domains[this.random(3)]!.setReserve(this.random(4));
    if (this.random(4) === 0) machine.back.setMode(this.random(3) === 0, NEVER_LEFT_ALONE);
    machine.advance(this.random(400_000));
  }

  /** Everybody goes on for a while, and is met in the middle of something. */
  #interleave(): void {
    const { machine } = this;
    for (let turns = this.random(6); turns > 0; turns--) {
      const party = this.random(4);
      const domain = machine.domains[party];
      if (domain) domain.plane.poll(domain.bell);
      else machine.back.poll(machine.backBell);
    }
  }

  #borrow(app: App, bytes: number, revocable: boolean): Claimed | Refusal {
    const { clock } = this.machine;
    const holder = this.#holderOf(app);
    const claimed = holder.claim(bytes, revocable);
    if (claimed) return claimed;
    this.stats.asked++;
    const attempt = new BorrowAttempt(holder, bytes, revocable, clock.monotonicMicros(), 200);
    for (;;) {
      this.stats.asks++;
      app.request(attempt.chunksToAsk(), attempt.millisLeft(clock.monotonicMicros()) * 1000);
      for (let wait = 0; app.answer === undefined; wait++) {
        this.#interleave();
        if (wait > 20) this.machine.advance(10_000);
      }
      const answer = { status: app.answer, decideMicros: 0, releaseMicros: 0 };
      clock.advanceMicros(50);
      this.#interleave();
      const outcome = attempt.judge(answer, clock.monotonicMicros());
      if (outcome) return 'refusal' in outcome ? outcome.refusal : outcome.claimed;
      if (this.#without.patience) return 'pool-empty';
    }
  }

  #holderOf(app: App): LeaseHolder {
    const { holder } = app;
    if (!this.#without.pieces) return holder;
    return {
      ...holder,
      claim: (bytes, revocable) => {
        const claimed = holder.claim(bytes, revocable);
        if (!claimed?.scattered) return claimed;
        holder.release(claimed);
        return undefined;
      },
    };
  }

  /** From what is really held, and by whom: what a domain may have of the rest. */
  #freeBlocks(domain: Domain, revocable: boolean): number {
    const heldChunks = this.machine.domains.map(() => 0);
    let besides = 0;
    let untouched = 0;
    for (let chunk = 0; chunk < GEOMETRY.chunkCount; chunk++) {
      let held = 0;
      let holder: App | undefined;
      for (let block = chunk * BLOCKS; block < (chunk + 1) * BLOCKS; block++) {
        const app = this.machine.holders.get(block);
        if (app) held++;
        holder ??= app;
      }
      if (!holder) untouched++;
      else heldChunks[holder.domain.id]!++;
      if (holder?.domain === domain) besides += BLOCKS - held;
    }
    for (const { id } of this.machine.domains) {
      // What its floor leaves to another domain is not counted upon, although that may give it up by itself.
      if (id !== domain.id) untouched -= Math.max(0, this.#floors[id]! - heldChunks[id]!);
    }
    const chunks = Math.min(untouched, LIMITS[domain.id]!.ceilingChunks - heldChunks[domain.id]!);
    return chunks * BLOCKS + (revocable ? 0 : besides);
  }

  #weigh(): void {
    const { stats } = this;
    stats.held += this.machine.holders.size * BLOCK_BYTES;
    for (const meter of this.meters) {
      const { roundingBytes, splitFreeBytes } = meter.read();
      stats.rounding += roundingBytes;
      stats.splitFree += splitFreeBytes;
    }
  }

  /** All that is left is released, and all of it is whole and somebody's again. */
  goHome(): void {
    for (const [claimed, { app }] of this.ends) this.#end(app, claimed);
    for (let turn = 0; turn < 8; turn++) this.machine.advance(300_000);
    this.machine.check();
    for (const domain of this.machine.domains) {
      assert.equal(domain.ledger.count(STATE.split), 0);
      assert.deepEqual(this.meters[domain.id]!.read(), { roundingBytes: 0, splitFreeBytes: 0 });
    }
  }
}

function go(floors: readonly number[], without: Without = {}): Run {
  const run = new Run(SEED, floors, without);
  for (let step = 0; step < LEASES; step++) run.step(step);
  return run;
}

for (const [name, floors] of [
  ['no domain has a floor', NO_FLOORS],
  ['floors are kept', [1, 0, 2]],
] as const) {
  test(`after 100,000 random leases nobody was refused while the free memory would suffice: ${name}`, (t) => {
    t.diagnostic(`MEMTIDE_SEED=${SEED}`);
    const run = go(floors);
    const { served, refused, scattered, asked, asks, held, rounding, splitFree } = run.stats;
    run.goHome();
    assert.ok(served > LEASES / 2 && refused > LEASES / 100 && scattered > LEASES / 1000, JSON.stringify(run.stats));
    const share = (part: number): string => `${((100 * part) / held).toFixed(1)} %`;
    t.diagnostic(`${served} served, ${scattered} of them in pieces; ${refused} refused, none of these falsely`);
    t.diagnostic(`${asked} had to ask, ${(asks / asked).toFixed(2)} times each`);
    t.diagnostic(
      `internal waste, of what was held: rounding ${share(rounding)}, free in split chunks ${share(splitFree)}`,
    );
  });
}

for (const [what, without] of [
  ['memory in pieces', { pieces: true }],
  ['a second look before a refusal', { patience: true }],
] as const) {
  test(`without ${what}, somebody is refused falsely`, () => {
    assert.throws(() => go(NO_FLOORS, without), FalseRefusal);
  });
}
