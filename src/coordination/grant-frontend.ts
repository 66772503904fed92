/**
 * The front end of a guest under Xen: offers dom0 a control file on granted pages, and serves the guest's applications while
 * dom0 lends. It comes and goes with the back end: what was borrowed from one is nothing to the next.
 */
import { type MappedControlFile, readIdentity } from '../control/control-file.ts';
import { FifoRinger } from '../control/fifo-bell.ts';
import { FRONT, type Geometry, STATE } from '../control/layout.ts';
import { Ledger } from '../control/ledger.ts';
import { errorMessage, MemtideError } from '../errors.ts';
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
}

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
    this.#discovery = new FrontendDiscovery({
      store: options.store,
      domid: options.domid,
      incarnation: 1 + Math.floor(Math.random() * (2 ** 31 - 1)),
      handlers: {
        prepare: (incarnation, arena) => this.#prepare(incarnation, arena),
        connected: (incarnation) => this.#inTurn(() => this.#open(incarnation)),
        withdraw: (incarnation, reason) => this.#inTurn(() => this.#withdraw(incarnation, reason)),
        refused: (_, reason) => options.onProblem(`dom0 does not take the offer: ${reason}`),
        problem: (error) => options.onProblem(errorMessage(error)),
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
    this.#turn = this.#turn.then(action).catch((error) => this.#options.onProblem(errorMessage(error)));
    return this.#turn;
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
    try {
      const port = channels.bindUnbound(DOM0);
      const { file, pages } = grantControlFile(DOM0, geometry, chunkGrantBytes(geometry));
      new ChunkGrants(file.words, geometry).sayAlive();
      pages.notify({ byte: aliveByte(geometry), port });
      this.#offered = { incarnation, geometry, channels, port, pages, file: file as MappedControlFile };
      return { grantRefs: pages.references, eventChannel: port };
    } catch (error) {
      channels.close();
      throw error;
    }
  }

  async #open(incarnation: number): Promise<void> {
    const offered = this.#offered;
    if (offered?.incarnation !== incarnation) return; // withdrawn meanwhile
    const { domain, files, lockFd, reserveBytes, scheduling, answer, onLending } = this.#options;
    const { file, pages, channels, port } = offered;
    const identity = readIdentity(file.words, 'granted control file');
    const { domainId: pairId, arenaId, ...geometry } = identity;
    const chunkBytes = 2 ** geometry.chunkShift;
    makeFifo(files.bell);
    const keep = `${files.bell}.keep`;
    makeFifo(keep);
    const ringer = new FifoRinger(files.bell);
    const ring = (): void => ringer.ring(SOURCE_MAIN);
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
      ring,
    );
    await plane.start();
    plane.onFailure((error) => this.#options.onProblem(`the fast plane has failed: ${error.message}`));
    const sessions = new SessionServer({
      files,
      file,
      geometry,
      lockFd,
      welcome: {
        domain,
        domainDirectory: files.directory,
        arena: { path: '', byteLength: geometry.chunkCount * chunkBytes, huge: false },
        arenaId,
        geometry,
        doorbell: 'fifo',
        keep,
        owners: '',
        pairId,
        granted: { pid: process.pid, fd: pages.fd, index: pages.index, byteLength: pages.byteLength },
      },
      ring,
      ringAs: (session) => ringer.ring(session),
      answer,
    });
    await onLending(true); // at the last moment: who asks at the socket meanwhile is answered there as before
    await sessions.start();
    this.#lending = { plane, sessions, ledger: new Ledger(file, geometry), chunkBytes };
  }

  async #withdraw(incarnation: number, reason: string): Promise<void> {
    const lending = this.#lending;
    this.#lending = undefined;
    if (lending) {
      await lending.sessions.stop();
      await this.#options.onLending(false, reason);
      await lending.plane.stop();
    }
    const offered = this.#offered;
    if (offered?.incarnation !== incarnation) return;
    this.#offered = undefined;
    // The channel outlives the pages: the kernel rings it when they end.
    offered.pages.close();
    offered.channels.close();
  }
}
