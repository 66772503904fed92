import fs from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { BorrowRefused, type Connection, openConnection } from '../../../client/connection.ts';
import { openControlFile } from '../../../control/control-file.ts';
import { STATE } from '../../../control/layout.ts';
import { Ledger } from '../../../control/ledger.ts';
import type { ArenaFacts } from '../../../coordination/backend-arena.ts';
import type { PlaneScheduling } from '../../../coordination/plane-constructs.ts';
import { RunFiles } from '../../../coordination/run-files.ts';
import type { Bytes } from '../../../units.ts';
import type { HostStart } from '../bench-host.ts';
import { BenchChild } from '../child.ts';
import { CHUNK_BYTES } from '../plan.ts';
import { microsSince } from '../timed-case.ts';
import type { Holding } from './budgets.ts';
import type { Burst, BurstMemory } from './play.ts';

/** The domains that burst, and the one whose cache has what they are not kept ready for. Its number is the last. */
const BURSTING = ['left', 'right'] as const;
const DONOR = 'donor';
const DEADLINE_MILLIS = 200;
const TOUCH = 0x5a;
const WAIT_MILLIS = 20_000;

/**
 * The machine of the curve: a back end, three front ends and a donor's cache, each a process of its own. This process is
 * the applications of the two domains that burst.
 */
export class CurveMachine implements BurstMemory {
  readonly #runDir: string;
  readonly #arenaBytes: Bytes;
  readonly #scheduling: PlaneScheduling;
  readonly #children: BenchChild[] = [];
  readonly #apps: Connection[] = [];
  readonly #ledgers: Ledger[] = [];
  readonly #fronts: BenchChild[] = [];
  readonly #counts = new Int32Array(16);
  #backend!: BenchChild;
  #cache!: BenchChild;
  arena!: ArenaFacts;

  constructor(options: { readonly runDir: string; readonly arenaBytes: Bytes; readonly scheduling: PlaneScheduling }) {
    this.#runDir = options.runDir;
    this.#arenaBytes = options.arenaBytes;
    this.#scheduling = options.scheduling;
  }

  get #chunkCount(): number {
    return Math.floor(this.#arenaBytes / CHUNK_BYTES);
  }

  async start(): Promise<void> {
    fs.mkdirSync(this.#runDir, { recursive: true, mode: 0o700 });
    const names = [...BURSTING, DONOR];
    const limits = { floorChunks: 0, ceilingChunks: this.#chunkCount, offerChunks: 0 };
    this.#backend = await this.#host('back end', {
      role: 'backend',
      options: {
        runDir: this.#runDir,
        arenaBytes: this.#arenaBytes,
        chunkBytes: CHUNK_BYTES,
        hugePages: 'auto',
        lock: true,
        doorbell: 'futex',
        scheduling: this.#scheduling,
        mode: 'hypervisor',
        stuckBackoffMillis: 1,
        domains: names.map((name) => ({ name, limits })),
      },
    });
    const files = new RunFiles(this.#runDir);
    for (const domain of names) {
      const scheduling = this.#scheduling;
      const start = { role: 'frontend', runDir: this.#runDir, domain, reserveChunks: 0, scheduling } as const;
      this.#fronts.push(await this.#host(`front end of ${domain}`, start));
      const { file, identity } = openControlFile(files.domain(domain).control);
      this.#ledgers.push(new Ledger(file, identity));
    }
    this.#cache = new BenchChild('curve/cache-app', 'donor');
    await this.#cache.call({ call: 'connect', socket: files.domain(DONOR).socket });
    for (const domain of BURSTING) this.#apps.push(await openConnection(files.domain(domain).socket));
  }

  /** Sets memory aside for the bursting domains as said; the donor's cache takes the rest. */
  async hold({ reserves, offers }: Holding): Promise<void> {
    const chunks = (bytes: number): number => bytes / CHUNK_BYTES;
    await this.#cache.call({ call: 'keep', on: false });
    for (const [domain, name] of [...BURSTING, DONOR].entries()) {
      await this.#fronts[domain]!.call({ call: 'reserve', chunks: 0 });
      await this.#offer(name, 0);
    }
    await this.#until('all memory to be free', () => this.#ledgers.every((ledger) => free(ledger)));
    for (const [domain, name] of BURSTING.entries()) {
      const reserve = chunks(reserves[domain]!);
      await this.#offer(name, reserve); // a reserve is filled from what is offered
      await this.#fronts[domain]!.call({ call: 'reserve', chunks: reserve });
      await this.#until('a reserve to be filled', () => this.#ledgers[domain]!.count(STATE.reserved) === reserve);
      const offer = chunks(offers[domain]!);
      await this.#offer(name, offer);
      await this.#until('offers', () => this.#ledgers[domain]!.count(STATE.offered) === offer);
    }
    await this.#offer(DONOR, this.#chunkCount);
    await this.#cache.call({ call: 'keep', on: true });
    await this.untilAtRest([...reserves, ...offers].reduce((sum, bytes) => sum + bytes, 0));
  }

  /** Waits until what is set aside is there to be claimed again, and the donor's cache has everything else. */
  async untilAtRest(setAsideBytes: number): Promise<void> {
    await this.#until('memory to come to rest', () => {
      const idle = this.idleBytes();
      return idle <= setAsideBytes && idle === this.#claimableBytes();
    });
  }

  #claimableBytes(): number {
    let claimable = 0;
    for (const [domain] of BURSTING.entries()) {
      this.#ledgers[domain]!.countAll(this.#counts);
      claimable += this.#counts[STATE.reserved]! + this.#counts[STATE.offered]!;
    }
    return claimable * CHUNK_BYTES;
  }

  take(domain: number, byteLength: number): Burst {
    const before = performance.now();
    try {
      const lease = this.#apps[domain]!.borrowSync(byteLength, { deadline: DEADLINE_MILLIS });
      lease.fill(TOUCH);
      const micros = microsSince(before);
      const { tierBytes, stages } = lease;
      const from = tierBytes.peer === 0 ? 'own' : (stages.releaseMicros ?? 0) > 0 ? 'donor' : 'pool';
      return { from, micros, release: () => lease.release() };
    } catch (error) {
      if (!(error instanceof BorrowRefused)) throw error;
      return { from: 'refused', micros: microsSince(before) };
    }
  }

  /** All that no application has. */
  idleBytes(): number {
    let used = 0;
    for (const ledger of this.#ledgers) {
      ledger.countAll(this.#counts);
      used += this.#counts[STATE.leased]! + this.#counts[STATE.leasedRevocable]!;
    }
    return (this.#chunkCount - used) * CHUNK_BYTES;
  }

  async stop(): Promise<void> {
    for (const app of this.#apps.splice(0)) await app.close();
    await this.#cache?.stop();
    for (const child of this.#children.splice(0).reverse()) {
      await child.call({ call: 'stop' });
      await child.stop();
    }
    fs.rmSync(this.#runDir, { recursive: true, force: true });
  }

  async #offer(domain: string, offer: number): Promise<void> {
    await this.#backend.call({ call: 'limits', domain, floor: 0, ceiling: this.#chunkCount, offer });
  }

  async #host(name: string, start: HostStart): Promise<BenchChild> {
    const child = new BenchChild('bench-host', name);
    this.#children.push(child);
    const facts = await child.call<ArenaFacts | undefined>({ call: 'start', start });
    if (facts) this.arena = facts;
    return child;
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    for (const giveUp = performance.now() + WAIT_MILLIS; !condition(); await wait(1)) {
      if (performance.now() > giveUp) throw new Error(`the bench waited 20 s for ${what}`);
    }
  }
}

const free = (ledger: Ledger): boolean => ledger.count(STATE.none) === ledger.chunkCount;
