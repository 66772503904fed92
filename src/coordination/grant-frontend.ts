/**
 * The front end of a guest under Xen: offers dom0 a control file on granted pages, and serves the guest's applications while
 * dom0 lends. It comes and goes with the back end: what was borrowed from one is nothing to the next.
 */
import { type Identity, type MappedControlFile, readIdentity } from '../control/control-file.ts';
import { FifoRinger } from '../control/fifo-bell.ts';
import { BACK, FRONT, type Geometry, MODE_CODES, STATE } from '../control/layout.ts';
import { Ledger } from '../control/ledger.ts';
import { errorMessage, MemtideError } from '../errors.ts';
import type { Mode } from '../records.ts';
import { aliveByte, ChunkGrants, chunkGrantBytes } from '../xen/chunk-grants.ts';
import { DOM0 } from '../xen/device.ts';
import type { Offer } from '../xen/discovery-nodes.ts';
import { EventChannels } from '../xen/event-channels.ts';
import { FrontendDiscovery } from '../xen/frontend-discovery.ts';
import { grantControlFile } from '../xen/grant-control-file.ts';
import type { GrantedPages } from '../xen/grant-pages.ts';
import type { Xenstore } from '../xen/xenstore/xenstore.ts';
import { makeFifo } from './fifo-file.ts';
import type { PlaneScheduling } from './plane-constructs.ts';
import { PLANE_FIGURES, PlaneThread } from './plane-thread.ts';
import type { DomainFiles } from './run-files.ts';
import type { SessionCall, SessionReply } from './session-protocol.ts';
import { SessionServer } from './session-server.ts';
import { SOURCE_MAIN } from './sources.ts';

export interface GrantFrontendOptions {
  readonly store: Xenstore;
  /** This domain's, of Xen. */
  readonly domid: number;
  readonly domain: string;
  readonly files: DomainFiles;
  /** Of `files.locks`; the agent's byte is held. */
  readonly lockFd: number;
  readonly scheduling: PlaneScheduling;
  /** What the domain is to hold ahead of need. */
  readonly reserveBytes: number;
  /** Calls of applications that are not about their session. */
  readonly answer: (call: SessionCall) => SessionReply | undefined | Promise<SessionReply>;
  /** Before applications are served, and after they are not any more. */
  readonly onLending: (lending: boolean, reason?: string) => void | Promise<void>;
  readonly onProblem: (problem: string) => void;
  /** The fast plane has failed, and `stop` is to be called. */
  readonly onFailure: (error: Error) => void;
}

/** What is offered to the back end. */
interface Offered {
  readonly incarnation: number;
  readonly geometry: Geometry;
  readonly channels: EventChannels;
  readonly port: number;
  readonly pages: GrantedPages;
  readonly file: MappedControlFile;
}

/** What runs while the back end lends. */
interface Lending {
  readonly plane: PlaneThread;
  readonly sessions: SessionServer;
  readonly ledger: Ledger;
  readonly chunkBytes: number;
  readonly undo: readonly Undo[];
}

/** Undoes one step of the opening. */
type Undo = (reason: string) => void | Promise<void>;

export class GrantFrontend {
  readonly #options: GrantFrontendOptions;
  readonly #discovery: FrontendDiscovery;
  readonly #counts = new Int32Array(16);
  #offered: Offered | undefined;
  #lending: Lending | undefined;
  /** One thing after the other: a back end may come and go while its predecessor is being left. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: GrantFrontendOptions) {
    this.#options = options;
    const problem = (error: unknown): void => options.onProblem(errorMessage(error));
    this.#discovery = new FrontendDiscovery({
      store: options.store,
      domid: options.domid,
      incarnation: 1 + Math.floor(Math.random() * (2 ** 31 - 1)),
      handlers: {
        prepare: (incarnation, arena) => this.#prepare(incarnation, arena),
        connected: (incarnation) => this.#inTurn(() => this.#open(incarnation)),
        withdraw: (incarnation, reason) =>
          this.#inTurn(() => this.#withdraw(incarnation, reason)).catch((error) => problem(error)),
        refused: (_, reason) => options.onProblem(`dom0 does not take the offer: ${reason}`),
        problem,
      },
    });
  }

  /** The rest comes by itself, whenever dom0 is there. @throws MemtideError if xenstored refuses the watch. */
  start(): Promise<void> {
    return this.#discovery.start();
  }

  async stop(): Promise<void> {
    await this.#discovery.close();
    await this.#turn;
  }

  get isLending(): boolean {
    return this.#lending !== undefined;
  }

  /** The back end's; `undefined` while it lends nothing. */
  get mode(): Mode | undefined {
    if (!this.#lending) return undefined;
    return MODE_CODES[Atomics.load(this.#offered!.file.words, BACK.mode)];
  }

  /** What is due once a second: sessions whose process ended without a word. */
  tick(): void {
    this.#lending?.sessions.reapDead();
  }

  status(): Record<string, unknown> {
    const lending = this.#lending;
    if (!lending) return { lending: false, phase: this.#discovery.phase };
    const { ledger, plane, sessions, chunkBytes } = lending;
    ledger.countAll(this.#counts);
    const of = (state: number): number => (this.#counts[state] as number) * chunkBytes;
    return {
      lending: true,
      offered_bytes: of(STATE.offered),
      reserve_bytes: of(STATE.reserved) + of(STATE.scrubbing) + of(STATE.dirty),
      leased_bytes: of(STATE.leased) + of(STATE.leasedRevocable) + of(STATE.split) + of(STATE.splitting),
      mapped_bytes: plane.figure('presentChunks') * chunkBytes,
      sessions: sessions.liveSessions,
      fast_plane: plane.constructs,
      figures: Object.fromEntries(PLANE_FIGURES.map((name) => [name, plane.figure(name)])),
    };
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #prepare(incarnation: number, geometry: Geometry | undefined): Promise<Offer> {
    if (!geometry) {
      throw new MemtideError({
        operation: 'offer a control file to the back end',
        actual: 'it does not say what it lends',
        remedy: 'set xen.arena_mib in its configuration, and use the same memtide on both sides',
      });
    }
    const channels = new EventChannels();
    let granted: GrantedPages | undefined;
    try {
      const port = channels.bindUnbound(DOM0);
      const { file, pages } = grantControlFile(DOM0, geometry, chunkGrantBytes(geometry));
      granted = pages;
      new ChunkGrants(file.words, geometry).sayAlive();
      pages.notify({ byte: aliveByte(geometry), port });
      this.#offered = { incarnation, geometry, channels, port, pages, file: file as MappedControlFile };
      return { grantRefs: pages.references, eventChannel: port };
    } catch (error) {
      granted?.close();
      channels.close();
      throw error;
    }
  }

  async #open(incarnation: number): Promise<void> {
    const offered = this.#offered;
    if (offered?.incarnation !== incarnation) return; // withdrawn meanwhile
    const { files, reserveBytes, scheduling, onLending, onFailure } = this.#options;
    const { file, pages, channels, port } = offered;
    const identity = readIdentity(file.words, 'granted control file');
    const { domainId: pairId, arenaId: _, ...geometry } = identity;
    const chunkBytes = 2 ** geometry.chunkShift;
    makeFifo(files.bell);
    const ringer = new FifoRinger(files.bell);
    const undo: Undo[] = [() => ringer.close()];
    try {
      Atomics.store(file.words, FRONT.reserveTarget, Math.floor(reserveBytes / chunkBytes));
      const shared = { address: pages.address, byteLength: pages.byteLength };
      const plane = new PlaneThread(
        {
          role: 'guest',
          bell: files.bell,
          geometry,
          scheduling,
          pairId,
          domainDirectory: files.directory,
          shared,
          evtchnFd: channels.fd,
          port,
        },
        () => ringer.ring(SOURCE_MAIN),
      );
      undo.push(() => plane.stop());
      await plane.start();
      plane.onFailure(onFailure);
      undo.push((reason) => onLending(false, reason));
      await onLending(true); // at the last moment: who asks at the socket meanwhile is answered there as before
      const sessions = this.#sessions(offered, identity, ringer);
      undo.push(() => sessions.stop());
      await sessions.start();
      this.#lending = { plane, sessions, ledger: new Ledger(file, geometry), chunkBytes, undo };
    } catch (error) {
      await undoAll(undo, errorMessage(error));
      throw error;
    }
  }

  #sessions({ file, pages }: Offered, { domainId: pairId, arenaId, ...geometry }: Identity, ringer: FifoRinger) {
    const { domain, files, lockFd, answer } = this.#options;
    const keep = `${files.bell}.keep`;
    makeFifo(keep);
    return new SessionServer({
      files,
      file,
      geometry,
      lockFd,
      welcome: {
        domain,
        domainDirectory: files.directory,
        arena: { path: '', byteLength: geometry.chunkCount * 2 ** geometry.chunkShift, huge: false },
        arenaId,
        geometry,
        doorbell: 'fifo',
        keep,
        owners: '',
        pairId,
        granted: { pid: process.pid, fd: pages.fd, index: pages.index, byteLength: pages.byteLength },
      },
      ring: () => ringer.ring(SOURCE_MAIN),
      ringAs: (session) => ringer.ring(session),
      answer,
    });
  }

  async #withdraw(incarnation: number, reason: string): Promise<void> {
    const lending = this.#lending;
    this.#lending = undefined;
    try {
      if (lending) await undoAll(lending.undo, reason);
    } finally {
      this.#end(incarnation);
    }
  }

  /** Ends an offer, if it is there still. */
  #end(incarnation: number): void {
    const offered = this.#offered;
    if (offered?.incarnation !== incarnation) return;
    this.#offered = undefined;
    // The channel outlives the pages: the kernel rings it when they end.
    offered.pages.close();
    offered.channels.close();
  }
}

/** The last step first; all of them. @throws what one of them failed with. */
async function undoAll(undo: readonly Undo[], reason: string): Promise<void> {
  const failures: unknown[] = [];
  for (const each of [...undo].reverse()) {
    try {
      await each(reason);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
