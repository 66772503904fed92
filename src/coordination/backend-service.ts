import fs from 'node:fs';
import { systemClock } from '../clock.ts';
import type { ControlFile, DoorbellRinger } from '../control/contracts.ts';
import { createControlFile, openControlFile, repairIdentity } from '../control/control-file.ts';
import { FifoRinger } from '../control/fifo-bell.ts';
import { FutexRinger } from '../control/futex-bell.ts';
import type { Geometry } from '../control/layout.ts';
import { Ledger } from '../control/ledger.ts';
import { MemtideError } from '../errors.ts';
import { mapFile, wordsOf } from '../native/mapping.ts';
import { tryLockByte } from '../native/ofd-lock.ts';
import { type InternalWaste, WasteMeter } from '../platforms/arena/internal-waste.ts';
import type { Mode } from '../records.ts';
import { bytes, formatBytes } from '../units.ts';
import type { BackendNotice, FrontendWelcome, NeedOverLink } from './agent-protocol.ts';
import { type ArenaInfo, leftArena, writeArenaInfo } from './arena-info.ts';
import { type ArenaFacts, type BackendArena, makeArena, takeUpArena } from './backend-arena.ts';
import type { LinkHost } from './backend-link.ts';
import type { BackendDomain, BackendOptions } from './backend-options.ts';
import { anyoneHolds, collectLeft } from './dead-domain.ts';
import { makeFifo } from './fifo-file.ts';
import { newEpoch } from './link-order.ts';
import type { PairLimits } from './pair-limits.ts';
import type { ConstructReport, PlaneScheduling } from './plane-constructs.ts';
import { PLANE_FIGURES, type PlaneFigure, PlaneThread } from './plane-thread.ts';
import { AGENT_LOCK_BYTE, ensurePrivateDirectory, RunFiles } from './run-files.ts';
import { SocketLinkServer } from './socket-link-server.ts';
import { MAX_PAIRS, SOURCE_MAIN } from './sources.ts';

interface PairFile {
  readonly name: string;
  readonly file: ControlFile;
  readonly ledger: Ledger;
  limits: PairLimits;
}

/**
 * The back end of one machine: makes the arena and the control files, runs the fast plane, and lets front ends in.
 * Decisions about sizes come from outside (`setLimits`); this part carries them out.
 */
export class BackendService {
  readonly files: RunFiles;
  /** This life of the back end. */
  readonly epoch = newEpoch(systemClock.wallMillis());
  readonly #options: BackendOptions;
  readonly #pairs: PairFile[] = [];
  #machine: BackendArena | undefined;
  #plane: PlaneThread | undefined;
  #links: SocketLinkServer | undefined;
  #lockFd = -1;
  #keepFd = -1;
  #mode: Mode;

  constructor(options: BackendOptions) {
    this.#options = options;
    this.files = new RunFiles(options.runDir);
    this.#mode = options.mode;
  }

  async start(): Promise<void> {
    const { domains, doorbell } = this.#options;
    if (domains.length > MAX_PAIRS) throw new RangeError(`at most ${MAX_PAIRS} domains`);
    ensurePrivateDirectory(this.files.directory);
    this.#takeLock();
    fs.rmSync(this.files.backendSocket, { force: true });
    const left = this.#left();
    makeFifo(this.files.keep);
    this.#keepFd = fs.openSync(this.files.keep, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
    await this.#makeArena(left);
    this.#makeBell();
    for (const [id, domain] of domains.entries()) this.#makePair(id, domain);
    await this.#startPlane(doorbell);
    this.#links = new SocketLinkServer(this.files.backendSocket, this.#host(), {
      status: () => this.#options.status?.(),
      room: async ({ byteLength, waitMillis, holdMillis, guest }) => {
        const { room } = this.#options;
        if (room) return room(bytes(byteLength), waitMillis * 1000, holdMillis * 1000, guest);
        throw new Error('room: nothing here collects memory for guests');
      },
    });
    await this.#links.start();
  }

  get arenaFacts(): ArenaFacts {
    return this.#machine!.facts;
  }

  get geometry(): Geometry {
    return this.#machine!.geometry;
  }

  get chunkBytes(): number {
    return this.#options.chunkBytes;
  }

  get domainNames(): readonly string[] {
    return this.#pairs.map(({ name }) => name);
  }

  /** Whether the domain has an agent that runs, connected or not. */
  isAlive(domain: string): boolean {
    return anyoneHolds(this.files.domain(domain));
  }

  isConnected(domain: string): boolean {
    return this.#links?.isLinked(domain) === true;
  }

  /** Chunks of a domain by ledger state, as its ledger says now: index with `STATE`. */
  countStates(domain: string, counts: Int32Array): void {
    this.#pair(domain).ledger.countAll(counts);
  }

  /** What a domain holds in leases, and around them, that serves nobody. */
  internalWaste(domain: string): InternalWaste {
    return new WasteMeter(this.#pair(domain).file, this.geometry).read();
  }

  /** Whether the figures show all that was punched and populated. */
  get isSettled(): boolean {
    return this.#plane!.isSettled;
  }

  figure(name: PlaneFigure): number {
    return this.#plane!.figure(name);
  }

  figures(): Record<PlaneFigure, number> {
    return Object.fromEntries(PLANE_FIGURES.map((name) => [name, this.figure(name)])) as Record<PlaneFigure, number>;
  }

  limitsOf(domain: string): PairLimits {
    return this.#pair(domain).limits;
  }

  setLimits(domain: string, limits: PairLimits): void {
    const id = this.#pairs.findIndex(({ name }) => name === domain);
    this.#pairs[id]!.limits = limits;
    this.#plane!.send({ kind: 'limits', id, limits });
  }

  setPressured(domain: string, pressured: boolean): void {
    const id = this.#pairs.findIndex(({ name }) => name === domain);
    this.#plane!.send({ kind: 'pressured', id, pressured });
  }

  get mode(): Mode {
    return this.#mode;
  }

  setMode(mode: Mode): void {
    this.#mode = mode;
    this.#plane!.send({
      kind: 'mode',
      split: mode === 'split',
      stuckBackoffMicros: this.#options.stuckBackoffMillis * 1000,
    });
  }

  /**
   * Takes back what domains hold whose agent has ended: due about once a second.
   * @returns the domains without an agent.
   */
  collectLeft(): string[] {
    const { owners, arena } = this.#machine!;
    return this.#pairs.flatMap(({ name, file }, pair) => {
      if (this.isConnected(name)) return [];
      const files = this.files.domain(name);
      const collected = collectLeft({ files, file, geometry: this.geometry, pair, owners, memory: arena });
      return collected === 'alive' ? [] : [name];
    });
  }

  /** What a domain has written into its control file that no honest front end writes, since the start. */
  violationsOf(domain: string): number {
    return this.#plane!.violationsOf(this.#pairs.findIndex(({ name }) => name === domain));
  }

  /** Gives memory of free chunks back to the system, so that it can become somebody's private budget. */
  punch(chunks: number): void {
    this.#plane!.send({ kind: 'punch', count: chunks });
  }

  /** Takes memory from the system for chunks that have none, as far as there is some. */
  populate(chunks: number): void {
    this.#plane!.send({ kind: 'populate', count: chunks, lock: this.arenaFacts.locked });
  }

  /** The fast plane's scheduler constructs, as found in force. */
  get constructs(): readonly ConstructReport[] {
    return this.#plane!.constructs;
  }

  setScheduling(scheduling: PlaneScheduling): Promise<readonly ConstructReport[]> {
    return this.#plane!.setScheduling(scheduling);
  }

  onFailure(report: (error: Error) => void): void {
    this.#plane?.onFailure(report);
  }

  async stop(): Promise<void> {
    await this.#links?.stop();
    await this.#plane?.stop();
    if (this.#machine) this.#removeFiles(this.#machine);
    if (this.#keepFd >= 0) fs.closeSync(this.#keepFd);
    if (this.#lockFd >= 0) fs.closeSync(this.#lockFd);
  }

  /** Whoever still uses the arena goes on, and the next back end takes it up: then all but the socket stays. */
  #removeFiles({ arena }: BackendArena): void {
    fs.rmSync(this.files.backendSocket, { force: true });
    if (this.#pairs.some(({ name }) => anyoneHolds(this.files.domain(name)))) return;
    arena.remove();
    for (const name of ['backendBell', 'keep', 'arenaInfo', 'owners', 'budgets'] as const) {
      fs.rmSync(this.files[name], { force: true });
    }
  }

  #pair(domain: string): PairFile {
    const pair = this.#pairs.find(({ name }) => name === domain);
    if (!pair) throw new RangeError(`no domain ${domain}`);
    return pair;
  }

  #takeLock(): void {
    this.#lockFd = fs.openSync(this.files.backendLock, 'a+', 0o600);
    if (tryLockByte(this.#lockFd, AGENT_LOCK_BYTE)) return;
    throw new MemtideError({
      operation: 'start the back end',
      object: this.files.directory,
      expected: 'no other back end in this run directory',
      actual: 'one is running',
      remedy: 'stop it, or give this one another "run_dir"',
    });
  }

  /**
   * The arena of the last back end, if it still has its memory and this one is to be like it.
   * @throws MemtideError when it is to be otherwise, and somebody is still using it.
   */
  #left(): ArenaInfo | undefined {
    const { arenaBytes, chunkBytes, doorbell, domains } = this.#options;
    const info = leftArena(this.files.arenaInfo);
    if (!info) return undefined;
    const names = domains.map(({ name }) => name);
    const fits =
      info.arena.byteLength === Math.floor(arenaBytes / chunkBytes) * chunkBytes &&
      info.chunkBytes === chunkBytes &&
      info.doorbell === doorbell &&
      info.domains.join() === names.join();
    if (fits) return info;
    const users = info.domains.filter((name) => anyoneHolds(this.files.domain(name)));
    if (users.length === 0) return undefined;
    throw new MemtideError({
      operation: 'start the back end',
      object: this.files.directory,
      expected: `the arena that is in use: ${formatBytes(info.arena.byteLength)} for ${info.domains.join(', ')}`,
      actual: `a configuration that asks for ${formatBytes(arenaBytes)} for ${names.join(', ')}`,
      remedy: `start it with the configuration of before, or end the agents and applications of ${users.join(', ')} first`,
    });
  }

  async #makeArena(left: ArenaInfo | undefined): Promise<void> {
    const { doorbell, domains, chunkBytes, totalBytes, arenaBytes } = this.#options;
    const kept = left && takeUpArena(left, this.#options, this.files);
    this.#machine = kept ?? (await makeArena(this.#options, this.files));
    const { arena, arenaId } = this.#machine;
    writeArenaInfo(this.files.arenaInfo, {
      arena: arena.source,
      arenaId,
      chunkBytes,
      doorbell,
      domains: domains.map(({ name }) => name),
      totalBytes: totalBytes ?? arenaBytes,
    });
  }

  #makeBell(): void {
    if (this.#options.doorbell === 'fifo') makeFifo(this.files.backendBell);
    // Front ends of before have it mapped: the one that is there must stay.
    else if (!this.arenaFacts.takenUp || !fs.existsSync(this.files.backendBell))
      fs.writeFileSync(this.files.backendBell, Buffer.alloc(4096), { mode: 0o600 });
  }

  #makePair(id: number, { name, limits }: BackendDomain): void {
    const files = this.files.domain(name);
    ensurePrivateDirectory(files.directory);
    if (!this.arenaFacts.takenUp || !fs.existsSync(files.control)) {
      createControlFile(files.control, this.geometry, id, this.#machine!.arenaId);
    } else repairIdentity(files.control, this.geometry, id, this.#machine!.arenaId);
    if (this.#options.doorbell === 'fifo') makeFifo(files.bell);
    const { file } = openControlFile(files.control);
    this.#pairs.push({ name, file, ledger: new Ledger(file, this.geometry), limits });
  }

  async #startPlane(doorbell: 'futex' | 'fifo'): Promise<void> {
    const plane = new PlaneThread(
      {
        role: 'backend',
        doorbell,
        backendBell: this.files.backendBell,
        owners: { path: this.files.owners, arenaId: this.#machine!.arenaId },
        allowPing: this.#options.allowPing === true,
        arena: this.#machine!.arena.source,
        geometry: this.geometry,
        scheduling: this.#options.scheduling,
        split: this.#mode === 'split',
        stuckBackoffMicros: this.#options.stuckBackoffMillis * 1000,
      },
      this.#ringer(doorbell),
    );
    await plane.start();
    plane.onGiven((pair, given) => {
      const notice = { notice: 'given', ...given } as const;
      const domain = this.#pairs[pair]!.name;
      if (!this.tell(domain, notice)) this.#options.onUntold?.(domain, notice);
    });
    this.#plane = plane;
    for (const [id, { name, limits }] of this.#pairs.entries()) {
      plane.send({ kind: 'pair', id, directory: this.files.domain(name).directory, limits });
    }
  }

  #ringer(doorbell: 'futex' | 'fifo'): () => void {
    let ringer: DoorbellRinger;
    if (doorbell === 'fifo') ringer = new FifoRinger(this.files.backendBell);
    else {
      const bell = mapFile(this.files.backendBell, 4096, 'doorbell');
      ringer = new FutexRinger({ words: wordsOf(bell), at: 0, address: bell.address });
    }
    return () => ringer.ring(SOURCE_MAIN);
  }

  #host(): LinkHost<FrontendWelcome> {
    return {
      admit: (domain) => {
        const id = this.#pairs.findIndex(({ name }) => name === domain);
        if (id >= 0) return { ok: true, welcome: this.#welcome(id) };
        return { ok: false, error: `no domain "${domain}" here; there are ${this.domainNames.join(', ')}` };
      },
      joined: (domain, limitBytes) => this.#options.onDomain?.(domain, true, limitBytes),
      left: (domain) => this.#options.onDomain?.(domain, false),
      call: (domain, call) => {
        if (call.op === 'need') this.need(domain, call);
        else this.#options.onCall?.(domain, call);
      },
    };
  }

  /** A request for arena memory that came over a slow-plane link; the answer is told on the same, and in the ring. */
  need(domain: string, { id, session, chunks, deadlineMicros }: NeedOverLink): void {
    if (![id, session, chunks, deadlineMicros].every((value) => Number.isInteger(value) && value === (value | 0)))
      return;
    const pair = this.#pairs.findIndex(({ name }) => name === domain);
    if (pair >= 0) this.#plane!.send({ kind: 'need', pair, id, session, chunks, deadlineMicros });
  }

  #welcome(id: number): FrontendWelcome {
    const { name, limits } = this.#pairs[id]!;
    const budgetBytes = this.#options.budgetOf?.(name);
    // A front end would refuse the file if its domain had written over these words.
    repairIdentity(this.files.domain(name).control, this.geometry, id, this.#machine!.arenaId);
    return {
      domain: name,
      epoch: this.epoch,
      ...(budgetBytes === undefined ? {} : { budgetBytes }),
      pairId: id,
      domainDirectory: this.files.domain(name).directory,
      backendBell: this.files.backendBell,
      keep: this.files.keep,
      owners: this.files.owners,
      arenaId: this.#machine!.arenaId,
      arena: this.#machine!.arena.source,
      geometry: this.geometry,
      doorbell: this.#options.doorbell,
      mode: this.#mode,
      limits,
      ...(this.#options.brokerUrl === undefined ? {} : { brokerUrl: this.#options.brokerUrl }),
    };
  }

  /** Says something to a domain's agent. @returns false when none is linked by the socket. */
  tell(domain: string, notice: BackendNotice): boolean {
    return this.#links?.tell(domain, notice) === true;
  }
}
