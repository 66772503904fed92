import fs from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { type Connection, openConnection } from '../../client/connection.ts';
import type { ArenaFacts } from '../../coordination/backend-arena.ts';
import type { ConstructReport, PlaneScheduling } from '../../coordination/plane-constructs.ts';
import { PLANE_THREAD_NAME, type PlaneFigure } from '../../coordination/plane-thread.ts';
import { RunFiles } from '../../coordination/run-files.ts';
import type { HugePages } from '../../platforms/arena/arena-file.ts';
import type { Bytes } from '../../units.ts';
import type { HostStart } from './bench-host.ts';
import { BenchChild } from './child.ts';
import { processCpuMicros } from './cpu-time.ts';
import { CHUNK_BYTES } from './plan.ts';
import { ThreadPlace } from './thread-place.ts';

/** Names of the three domains: two that trade memory, and one that only shakes hands. */
const RECIPIENT = 'recipient';
const DONOR = 'donor';
export const PROBE = 'probe';
/** How long memory may take to come back before the bench is taken to hang. */
const WAIT_MILLIS = 20_000;
/** An idle fast plane sleeps for 250 ms, and publishes its figures at most 100 ms after it woke up. */
const FIGURES_MILLIS = 400;

/**
 * The machine that is measured: a back end, the front ends of two domains and a donor application, each a process of
 * its own, as in the field. This process is the application of the recipient.
 */
export class BenchMachine {
  readonly runDir: string;
  readonly #children: BenchChild[] = [];
  #backend!: BenchChild;
  #recipient!: BenchChild;
  #donorFront!: BenchChild;
  #donor!: BenchChild;
  #scrubber!: ThreadPlace;
  app!: Connection;
  arena!: ArenaFacts;
  connectMicros = 0;
  connectCpuMicros = 0;
  readonly arenaBytes: Bytes;
  readonly #hugePages: HugePages;
  readonly #scheduling: PlaneScheduling;
  readonly #lock: boolean;

  constructor(options: {
    readonly runDir: string;
    readonly arenaBytes: Bytes;
    readonly hugePages: HugePages;
    readonly scheduling?: PlaneScheduling;
    readonly lock?: boolean;
  }) {
    this.runDir = options.runDir;
    this.arenaBytes = options.arenaBytes;
    this.#hugePages = options.hugePages;
    this.#scheduling = options.scheduling ?? {};
    this.#lock = options.lock ?? true;
  }

  get chunkCount(): number {
    return Math.floor(this.arenaBytes / CHUNK_BYTES);
  }

  /** Where the recipient's agent listens. */
  get recipientSocket(): string {
    return new RunFiles(this.runDir).domain(RECIPIENT).socket;
  }

  async start(): Promise<void> {
    fs.mkdirSync(this.runDir, { recursive: true, mode: 0o700 });
    const limits = { floorChunks: 0, ceilingChunks: this.chunkCount, offerChunks: 0 };
    this.#backend = await this.#host('back end', {
      role: 'backend',
      options: {
        runDir: this.runDir,
        arenaBytes: this.arenaBytes,
        chunkBytes: CHUNK_BYTES,
        hugePages: this.#hugePages,
        allowPing: true,
        lock: this.#lock,
        doorbell: 'futex',
        scheduling: this.#scheduling,
        mode: 'hypervisor',
        stuckBackoffMillis: 1,
        domains: [
          { name: RECIPIENT, limits },
          { name: DONOR, limits },
          { name: PROBE, limits },
        ],
      },
    });
    this.#recipient = await this.#front(RECIPIENT);
    this.#scrubber = new ThreadPlace(this.#recipient.pid, PLANE_THREAD_NAME);
    this.#donorFront = await this.#front(DONOR);
    const files = new RunFiles(this.runDir);
    this.#donor = new BenchChild('donor-app', 'donor');
    this.#children.push(this.#donor);
    await this.#donor.call({ call: 'connect', socket: files.domain(DONOR).socket });
    const before = performance.now();
    const cpuBefore = process.cpuUsage();
    this.app = await openConnection(this.recipientSocket);
    this.connectMicros = (performance.now() - before) * 1000;
    const { user, system } = process.cpuUsage(cpuBefore);
    this.connectCpuMicros = user + system;
  }

  /** Gives the fast planes other constructs. @returns what came of it, as the back end's has it. */
  async setScheduling(backend: PlaneScheduling, frontends: PlaneScheduling): Promise<readonly ConstructReport[]> {
    const reports = await this.#backend.call<ConstructReport[]>({ call: 'scheduling', scheduling: backend });
    for (const front of [this.#recipient, this.#donorFront]) {
      await front.call({ call: 'scheduling', scheduling: frontends });
    }
    return reports;
  }

  /** Gives the recipient's domain that many chunks as reserve, and waits until they are there, warm and scrubbed. */
  async setReserve(chunks: number): Promise<void> {
    const floor = { call: 'limits', domain: RECIPIENT, floor: 0, ceiling: this.chunkCount, offer: chunks };
    await this.#backend.call(floor);
    await this.#recipient.call({ call: 'reserve', chunks });
    if (chunks > 0) await this.#until(() => this.app.claimableBytes >= chunks * CHUNK_BYTES);
  }

  /** Lets the donor's cache take all memory there is, so that a request of the recipient must go to it. */
  async fillDonor(leaseBytes: number): Promise<void> {
    await this.#fillUp({ leaseBytes: Math.max(leaseBytes, CHUNK_BYTES), revocable: true });
  }

  /** Lets the donor hold all memory there is and let go of none. */
  async exhaust(): Promise<void> {
    await this.#fillUp({ leaseBytes: CHUNK_BYTES, revocable: false });
  }

  async drainDonor(): Promise<void> {
    await this.#donor.call({ call: 'drop' });
  }

  /** Waits until what was released has been scrubbed and is there to be claimed again. */
  async untilClaimable(byteLength: number): Promise<void> {
    await this.#until(() => this.app.claimableBytes >= byteLength);
  }

  /** CPU time that front end and back end have used, all their threads, in microseconds. */
  backgroundCpuMicros(): number {
    return processCpuMicros(this.#recipient.pid) + processCpuMicros(this.#backend.pid);
  }

  /** The CPU that the recipient's memory was scrubbed on last. */
  scrubberCpu(): number | undefined {
    return this.#scrubber.cpu();
  }

  /** The front end's running figures, when they are up to date. */
  async recipientFigures(): Promise<Record<PlaneFigure, number>> {
    await wait(FIGURES_MILLIS);
    return this.#recipient.call({ call: 'figures' });
  }

  async stop(): Promise<void> {
    await this.app?.close();
    await this.#donor?.stop();
    for (const child of this.#children.splice(0).reverse()) {
      if (child === this.#donor) continue;
      await child.call({ call: 'stop' });
      await child.stop();
    }
    fs.rmSync(this.runDir, { recursive: true, force: true });
  }

  async #front(domain: string): Promise<BenchChild> {
    return this.#host(`front end of ${domain}`, {
      role: 'frontend',
      runDir: this.runDir,
      domain,
      reserveChunks: 0,
      scheduling: this.#scheduling,
    });
  }

  async #host(name: string, start: HostStart): Promise<BenchChild> {
    const child = new BenchChild('bench-host', name);
    this.#children.push(child);
    const facts = await child.call<ArenaFacts | undefined>({ call: 'start', start });
    if (facts) this.arena = facts;
    return child;
  }

  /** What the recipient has just released takes a moment to reach the pool: asks until the donor holds everything. */
  async #fillUp(how: { readonly leaseBytes: number; readonly revocable: boolean }): Promise<void> {
    const giveUp = performance.now() + WAIT_MILLIS;
    while ((await this.#donor.call<number>({ call: 'fill', ...how })) < this.chunkCount * CHUNK_BYTES) {
      if (performance.now() > giveUp) throw new Error('the bench waited 20 s for the donor to hold everything');
    }
  }

  async #until(condition: () => boolean): Promise<void> {
    const giveUp = performance.now() + WAIT_MILLIS;
    while (!condition()) {
      if (performance.now() > giveUp) throw new Error('the bench waited 20 s for memory to come back');
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
