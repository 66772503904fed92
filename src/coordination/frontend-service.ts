import fs from 'node:fs';
import { systemClock } from '../clock.ts';
import type { ControlFile, DoorbellRinger } from '../control/contracts.ts';
import { openControlFile } from '../control/control-file.ts';
import { FifoRinger } from '../control/fifo-bell.ts';
import { FutexRinger } from '../control/futex-bell.ts';
import { BACK, FRONT, FRONT_BELL, MODE_CODES } from '../control/layout.ts';
import { Ledger } from '../control/ledger.ts';
import { MemtideError } from '../errors.ts';
import { tryLockByte } from '../native/ofd-lock.ts';
import { type InternalWaste, WasteMeter } from '../platforms/arena/internal-waste.ts';
import type { Mode } from '../records.ts';
import type { BackendCall, BackendNotice, FrontendWelcome, GivenOverLink } from './agent-protocol.ts';
import type { BackendLink } from './backend-link.ts';
import { NeedHandOver } from './need-handover.ts';
import type { ConstructReport, PlaneScheduling } from './plane-constructs.ts';
import { PLANE_FIGURES, type PlaneFigure, PlaneThread } from './plane-thread.ts';
import { outlast } from './retry.ts';
import { AGENT_LOCK_BYTE, DomainFiles, RunFiles } from './run-files.ts';
import type { SessionCall, SessionReply } from './session-protocol.ts';
import { SessionServer } from './session-server.ts';
import { SocketLink } from './socket-link.ts';
import { SOURCE_MAIN } from './sources.ts';

export interface FrontendOptions {
  readonly runDir: string;
  readonly domain: string;
  readonly scheduling: PlaneScheduling;
  /** Chunks to hold as reserve at the start; later by `setReserve`. */
  readonly reserveChunks: number;
  /** Calls of applications that are not about their session. */
  readonly answer: (call: SessionCall, session: number | undefined) => SessionReply | undefined | Promise<SessionReply>;
  readonly onNotice: (notice: BackendNotice) => void;
  /** The back end is away; applications go on with what is there until it is back. */
  readonly onBackendGone: (reason: string) => void;
  /** The back end, or its successor on the same arena, is there again and knows nothing of what it was told before. */
  readonly onBackendBack?: (welcome: FrontendWelcome) => void;
  /** Where the budget of the domain's programs stands, once there is one: a back end that is new must know. */
  readonly limitBytes?: () => number | undefined;
  /** Another link to the back end, for requests that the ring and this front end's own link cannot carry. */
  readonly tellOtherwise?: (call: BackendCall) => boolean;
  /** The back end's successor has another arena: what this front end holds is memory of no use, and it must end. */
  readonly onOtherArena?: (error: MemtideError) => void;
}

/** The front end of one domain: its pair with the back end, its fast plane, and its applications. */
export class FrontendService {
  readonly #options: FrontendOptions;
  #link: BackendLink<FrontendWelcome> | undefined;
  #welcome: FrontendWelcome | undefined;
  #file: ControlFile | undefined;
  #ledger: Ledger | undefined;
  #waste: WasteMeter | undefined;
  #plane: PlaneThread | undefined;
  #sessions: SessionServer | undefined;
  #ringer: DoorbellRinger | undefined;
  #needs: NeedHandOver | undefined;
  #lockFd = -1;
  #keepFd = -1;

  constructor(options: FrontendOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { runDir, domain } = this.#options;
    const link = new SocketLink({
      path: new RunFiles(runDir).backendSocket,
      domain,
      events: {
        joined: (again) => this.#rejoined(again),
        notice: (notice) => this.#heard(notice),
        away: this.#options.onBackendGone,
      },
      limitBytes: this.#options.limitBytes,
    });
    this.#link = link;
    const welcome = await link.start();
    this.#welcome = welcome;
    const files = new DomainFiles(welcome.domainDirectory);
    await this.#takeLock(files);
    this.#keepFd = fs.openSync(welcome.keep, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
    const { file, identity } = openControlFile(files.control);
    this.#file = file;
    this.#needs = new NeedHandOver(
      file.words,
      systemClock,
      (call) => this.tell(call) || this.#options.tellOtherwise?.(call) === true,
    );
    this.#ledger = new Ledger(file, identity);
    this.#waste = new WasteMeter(file, identity);
    this.#ringer =
      welcome.doorbell === 'fifo'
        ? new FifoRinger(files.bell)
        : new FutexRinger({ words: file.words, at: FRONT_BELL, address: file.address });
    this.setReserve(this.#options.reserveChunks);
    this.#plane = new PlaneThread(
      {
        role: 'frontend',
        doorbell: welcome.doorbell,
        backendBell: welcome.backendBell,
        arena: welcome.arena,
        geometry: identity,
        scheduling: this.#options.scheduling,
        owners: { path: welcome.owners, arenaId: welcome.arenaId },
        pairId: welcome.pairId,
        domainDirectory: welcome.domainDirectory,
      },
      () => this.#ring(),
    );
    await this.#plane.start();
    const { domainDirectory, arena, arenaId, doorbell, keep, owners, pairId } = welcome;
    this.#sessions = new SessionServer({
      files,
      file,
      geometry: identity,
      lockFd: this.#lockFd,
      welcome: { domain, domainDirectory, arena, arenaId, geometry: identity, doorbell, keep, owners, pairId },
      ring: () => this.#ring(),
      ringAs: (session) => this.#ringer!.ring(session),
      answer: this.#options.answer,
    });
    this.#sessions.reapDead();
    await this.#sessions.start();
  }

  /** The fast plane finds the new back end by itself, in the control file; see FrontendPlane. */
  #rejoined(welcome: FrontendWelcome): void {
    if (welcome.arenaId !== this.#welcome!.arenaId) {
      this.#options.onOtherArena?.(
        new MemtideError({
          operation: `go on as the agent of domain "${welcome.domain}"`,
          expected: `the arena that it holds memory of (${this.#welcome!.arenaId})`,
          actual: `the back end has made another one (${welcome.arenaId})`,
          remedy: 'start this agent again; its applications must connect again',
        }),
      );
      return;
    }
    this.#welcome = welcome;
    this.#options.onBackendBack?.(welcome);
  }

  get welcome(): FrontendWelcome {
    return this.#welcome!;
  }

  /** As the back end has it now. */
  get mode(): Mode {
    return MODE_CODES[Atomics.load(this.#file!.words, BACK.mode)] ?? this.welcome.mode;
  }

  get chunkBytes(): number {
    return this.#ledger!.chunkBytes;
  }

  get sessions(): SessionServer {
    return this.#sessions!;
  }

  countStates(counts: Int32Array): void {
    this.#ledger!.countAll(counts);
  }

  /** What the domain holds in leases, and around them, that serves nobody. */
  internalWaste(): InternalWaste {
    return this.#waste!.read();
  }

  figures(): Record<PlaneFigure, number> {
    return Object.fromEntries(PLANE_FIGURES.map((name) => [name, this.#plane!.figure(name)])) as Record<
      PlaneFigure,
      number
    >;
  }

  /** How much the domain is to hold ahead of need; the fast plane gets it or gives it back. */
  setReserve(chunks: number): void {
    Atomics.store(this.#file!.words, FRONT.reserveTarget, Math.max(0, Math.floor(chunks)));
    if (this.#plane) this.#ring();
  }

  get reserveTarget(): number {
    return Atomics.load(this.#file!.words, FRONT.reserveTarget);
  }

  /** Says something to the back end on the slow plane. @returns false while it is away: nothing is said. */
  tell(call: BackendCall): boolean {
    return this.#link?.tell(call) === true;
  }

  /** An answer to a request; also one that came by another link than this front end's own. */
  given(given: GivenOverLink): void {
    const { id, session, chunks, status, decideMicros, releaseMicros } = given;
    const words = [id, session, chunks, status, decideMicros, releaseMicros];
    if (words.every((value) => Number.isInteger(value))) {
      this.#plane?.send({ kind: 'given', id, session, chunks, status, decideMicros, releaseMicros });
    }
  }

  /** What is due ten times a second: requests that the ring does not carry go over the slow plane. */
  look(): void {
    this.#needs?.look();
  }

  /** Requests that went over the slow plane, since the shared memory was stale. */
  get needsHandedOver(): number {
    return this.#needs?.told ?? 0;
  }

  #heard(notice: BackendNotice): void {
    if (notice.notice === 'given') this.given(notice);
    else this.#options.onNotice(notice);
  }

  get backendIsThere(): boolean {
    return this.#link?.isUp === true;
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

  /** What is due once a second: sessions whose process ended without a word. */
  tick(): void {
    this.#sessions?.reapDead();
  }

  async stop(): Promise<void> {
    await this.#sessions?.stop();
    await this.#plane?.stop();
    await this.#link?.close();
    if (this.#keepFd >= 0) fs.closeSync(this.#keepFd);
    if (this.#lockFd >= 0) fs.closeSync(this.#lockFd);
  }

  #ring(): void {
    this.#ringer!.ring(SOURCE_MAIN);
  }

  /** A predecessor's lock is dropped a moment after its death, and the back end may hold it while it clears up after one. */
  async #takeLock(files: DomainFiles): Promise<void> {
    this.#lockFd = fs.openSync(files.locks, 'a+', 0o600);
    if (await outlast(() => tryLockByte(this.#lockFd, AGENT_LOCK_BYTE) || undefined)) return;
    throw new MemtideError({
      operation: `start the agent of domain "${this.#options.domain}"`,
      object: files.directory,
      expected: 'no other agent of this domain',
      actual: 'one is running',
      remedy: 'stop it first, or start this one for another domain',
    });
  }
}
