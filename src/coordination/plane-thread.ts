import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { Geometry } from '../control/layout.ts';
import type { Mapping } from '../native/mapping.ts';
import type { ArenaSource } from '../platforms/arena/arena-file.ts';
import type { GivenOverLink, NeedOverLink } from './agent-protocol.ts';
import type { PairLimits } from './pair-limits.ts';
import type { ConstructReport, PlaneScheduling } from './plane-constructs.ts';
import { MAX_PAIRS } from './sources.ts';

/**
 * The fast plane's thread, seen from the main thread. The worker blocks in the doorbell and has no event loop to speak
 * of; commands reach it through a port that it reads when the bell says so, and its figures come back in shared memory.
 */
export type DoorbellKind = 'futex' | 'fifo';

/** Where the books of an arena are. */
export interface OwnersFile {
  readonly path: string;
  readonly arenaId: number;
}

/** One machine's plane. */
export type LocalPlaneStart = {
  readonly doorbell: DoorbellKind;
  readonly backendBell: string;
  readonly arena: ArenaSource;
  readonly geometry: Geometry;
  readonly scheduling: PlaneScheduling;
} & (
  | {
      readonly role: 'frontend';
      readonly owners: OwnersFile;
      readonly pairId: number;
      readonly domainDirectory: string;
    }
  | {
      readonly role: 'backend';
      readonly owners: OwnersFile;
      readonly split: boolean;
      readonly stuckBackoffMicros: number;
      /** Whether pairs may ask for the bare ping-pong of the bench, which keeps the thread from everybody else. */
      readonly allowPing: boolean;
    }
);

/** The plane of dom0 that lends to guests: it begins without any. */
export interface LenderPlaneStart {
  readonly role: 'lender';
  /** Rung by the main thread. */
  readonly bell: string;
  readonly geometry: Geometry;
  readonly scheduling: PlaneScheduling;
  readonly split: boolean;
  readonly stuckBackoffMicros: number;
}

/** The plane of a guest that borrows from dom0. What the main thread has opened and mapped is this thread's, too. */
export interface GuestPlaneStart {
  readonly role: 'guest';
  /** Rung by the main thread and by applications. */
  readonly bell: string;
  readonly geometry: Geometry;
  readonly scheduling: PlaneScheduling;
  readonly pairId: number;
  readonly domainDirectory: string;
  /** Control file and table of grants. */
  readonly shared: Mapping;
  readonly evtchnFd: number;
  readonly port: number;
}

export type PlaneStart = LocalPlaneStart | LenderPlaneStart | GuestPlaneStart;

/** A guest to lend to: its control file as mapped, its part of the arena, and the books of that. */
export interface LentGuest {
  readonly id: number;
  readonly domid: number;
  readonly remotePort: number;
  readonly shared: Mapping;
  readonly arena: Mapping;
  readonly owners: SharedArrayBuffer;
  readonly limits: PairLimits;
}

export type PlaneCommand =
  | ({ readonly kind: 'guest' } & LentGuest)
  | { readonly kind: 'guest-gone'; readonly id: number }
  /** A chunk of a guest's part has been granted to it, and is clean. */
  | { readonly kind: 'granted'; readonly id: number; readonly chunk: number }
  /** Takes up to `count` free chunks out of a guest's part: they are absent from its books then. */
  | { readonly kind: 'withdraw'; readonly id: number; readonly count: number }
  | { readonly kind: 'ring-guest'; readonly id: number }
  | { readonly kind: 'pair'; readonly id: number; readonly directory: string; readonly limits: PairLimits }
  | { readonly kind: 'limits'; readonly id: number; readonly limits: PairLimits }
  | { readonly kind: 'pressured'; readonly id: number; readonly pressured: boolean }
  | { readonly kind: 'mode'; readonly split: boolean; readonly stuckBackoffMicros: number }
  /** A request of a front end that came over the slow link; `pair` is who said it, whatever it says. */
  | ({ readonly kind: 'need'; readonly pair: number } & NeedOverLink)
  /** To a front end: the answer that came over the slow link. */
  | ({ readonly kind: 'given' } & GivenOverLink)
  /** Takes memory from the system for up to `count` chunks that have none. */
  | { readonly kind: 'populate'; readonly count: number; readonly lock: boolean }
  /** In place of the constructs so far; answered with a `PlaneMessage`. */
  | { readonly kind: 'scheduling'; readonly scheduling: PlaneScheduling }
  /** Gives memory of up to `count` free chunks back to the system. */
  | { readonly kind: 'punch'; readonly count: number };

/** What the thread of a lender says of its guests. */
export type GuestMessage =
  /** What became of the command `guest` or `guest-gone`. */
  | { readonly guest: number; readonly problem?: string }
  /** The agent of a guest has ended: the kernel there says so. */
  | { readonly died: number };

/** What the thread says. */
export type PlaneMessage =
  /** Once when it serves, and after each change of its scheduling. */
  | { readonly constructs: readonly ConstructReport[] }
  | GuestMessage
  /** An answer of the back end that is to go over the slow link too. */
  | { readonly pair: number; readonly given: GivenOverLink };

export interface PlaneData {
  readonly start: PlaneStart;
  readonly port: MessagePort;
  /** Words: see `PLANE_CONTROL`. */
  readonly control: SharedArrayBuffer;
  readonly figures: SharedArrayBuffer;
  /** What each pair has written that no honest front end writes. */
  readonly violations: SharedArrayBuffer;
}

/** In `top -H`, and in /proc/PID/task/TID/comm, which holds 15 characters. */
export const PLANE_THREAD_NAME = 'memtide-plane';

/** `resized` counts the commands of `RESIZES` that are done and published. */
export const PLANE_CONTROL = { stop: 0, commands: 1, ready: 2, resized: 3 } as const;

/** Commands after which the arena has more memory, or less. */
export const RESIZES: readonly PlaneCommand['kind'][] = ['populate', 'punch', 'granted', 'withdraw'];

/** Running figures that a plane publishes a few times a second, in this order. */
export const PLANE_FIGURES = [
  'requests',
  'served',
  'refused',
  'revocations',
  'donorMisses',
  'violations',
  'scrubbedBytes',
  'scrubCpuMicros',
  'cpuMicros',
  'freeChunks',
  'presentChunks',
  'polls',
  /** Rings of other domains that woke the plane: between Xen domains only. */
  'rungByDomains',
] as const;
export type PlaneFigure = (typeof PLANE_FIGURES)[number];

export class PlaneThread {
  readonly #start: PlaneStart;
  readonly #ring: () => void;
  readonly #control = new Int32Array(new SharedArrayBuffer(16));
  readonly #figures = new Float64Array(new SharedArrayBuffer(8 * PLANE_FIGURES.length));
  readonly #violations = new Int32Array(new SharedArrayBuffer(4 * MAX_PAIRS));
  readonly #channel = new MessageChannel();
  #worker: Worker | undefined;
  #resizes = 0;
  #ended: Promise<number> | undefined;
  #constructs: readonly ConstructReport[] = [];

  /** @param ring rings the bell that the thread waits on, as its own main thread. */
  constructor(start: PlaneStart, ring: () => void) {
    this.#start = start;
    this.#ring = ring;
  }

  /** Starts the thread; resolves when it serves. @throws what the thread failed with. */
  async start(): Promise<void> {
    const extension = path.extname(fileURLToPath(import.meta.url));
    const port = this.#channel.port2;
    const data: PlaneData = {
      start: this.#start,
      port,
      control: this.#control.buffer as SharedArrayBuffer,
      figures: this.#figures.buffer as SharedArrayBuffer,
      violations: this.#violations.buffer as SharedArrayBuffer,
    };
    const worker = new Worker(new URL(`./plane-worker${extension}`, import.meta.url), {
      workerData: data,
      transferList: [port],
      name: `memtide ${this.#start.role}`,
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32, stackSizeMb: 1 },
    });
    this.#worker = worker;
    this.#channel.port1.unref();
    this.#ended = new Promise((resolve) => worker.once('exit', resolve));
    await this.#heard(worker, 'while it started');
    worker.removeAllListeners('exit');
    this.#ended = new Promise((resolve) => worker.once('exit', resolve));
  }

  /** The scheduler constructs as the thread found them in force. */
  get constructs(): readonly ConstructReport[] {
    return this.#constructs;
  }

  /** In place of the constructs so far. Resolves with what came of it. */
  async setScheduling(scheduling: PlaneScheduling): Promise<readonly ConstructReport[]> {
    const heard = this.#heard(this.#worker!, 'before it answered');
    this.send({ kind: 'scheduling', scheduling });
    await heard;
    return this.#constructs;
  }

  /** Waits for the thread's next word. @throws what the thread failed with. */
  async #heard(worker: Worker, when: string): Promise<void> {
    this.#constructs = await new Promise<readonly ConstructReport[]>((resolve, reject) => {
      const settle = (): void => {
        worker.off('error', failed).off('message', spoke).off('exit', ended);
      };
      const failed = (error: Error): void => {
        settle();
        reject(error);
      };
      const spoke = (words: PlaneMessage): void => {
        if (!('constructs' in words)) return;
        settle();
        resolve(words.constructs);
      };
      const ended = (code: number): void => failed(new Error(`the fast plane ended ${when} (code ${code})`));
      worker.on('error', failed).on('message', spoke).on('exit', ended);
    });
  }

  /** Calls back with each answer that is to go over the slow link too. */
  onGiven(hear: (pair: number, given: GivenOverLink) => void): void {
    this.#worker?.on('message', (message: PlaneMessage) => {
      if ('given' in message) hear(message.pair, message.given);
    });
  }

  /** Calls back with what the thread of a lender says of its guests. */
  onGuest(hear: (message: GuestMessage) => void): void {
    this.#worker?.on('message', (message: PlaneMessage) => {
      if ('guest' in message || 'died' in message) hear(message);
    });
  }

  /** Calls back when the thread ends although nobody stopped it. */
  onFailure(report: (error: Error) => void): void {
    this.#worker?.on('error', report);
  }

  send(command: PlaneCommand): void {
    if (RESIZES.includes(command.kind)) this.#resizes++;
    this.#channel.port1.postMessage(command);
    Atomics.store(this.#control, PLANE_CONTROL.commands, 1);
    this.#ring();
  }

  /** Whether the figures show all that the arena was told to grow and shrink by. */
  get isSettled(): boolean {
    return Atomics.load(this.#control, PLANE_CONTROL.resized) === this.#resizes;
  }

  figure(name: PlaneFigure): number {
    return this.#figures[PLANE_FIGURES.indexOf(name)]!;
  }

  /** Of a back end's thread: see `BackendPlane.violationsOf`. */
  violationsOf(pair: number): number {
    return this.#violations[pair]!;
  }

  async stop(): Promise<void> {
    Atomics.store(this.#control, PLANE_CONTROL.stop, 1);
    this.#ring();
    await this.#ended;
    this.#channel.port1.close();
  }
}
