import { systemClock } from '../clock.ts';
import type { Config, DomainConfig } from '../config/schema.ts';
import { GrantFrontend } from '../coordination/grant-frontend.ts';
import type { DomainFiles } from '../coordination/run-files.ts';
import type { SessionCall, SessionReply } from '../coordination/session-protocol.ts';
import { BurstBook } from '../latency/burst-book.ts';
import { probeLocal, probeRefusal } from '../latency/local-probe.ts';
import type { BurstRecord } from '../records.ts';
import { MIB } from '../units.ts';
import { XenDomains } from '../xen/domains.ts';
import { openXenstore } from '../xen/xenstore/open.ts';
import { Xenstore } from '../xen/xenstore/xenstore.ts';
import type { Log } from './log.ts';
import { schedulingOf } from './settings.ts';

/** The thread that speaks to xenstore may take long to start, on a machine with much to do. */
const REPLY_MILLIS = 60_000;

export interface GuestLeasesOptions {
  readonly config: Config;
  readonly domain: DomainConfig;
  readonly files: DomainFiles;
  readonly lockFd: number;
  readonly log: Log;
  readonly answer: (call: SessionCall) => SessionReply;
  /** Applications are about to be served at the agent's socket, or are not any more. */
  readonly onLending: (lending: boolean) => void | Promise<void>;
  readonly onBurst: (record: BurstRecord) => void;
  /** Called when the agent cannot go on: the fast plane has failed. */
  readonly stopped: () => void;
  /** What a local allocation may take for a measurement. */
  readonly room: () => { readonly headroomBytes?: number; readonly availableBytes?: number };
}

/** What a guest's applications borrow from dom0, beside the budget of its programs. */
export class GuestLeases {
  readonly #store: Xenstore;
  readonly #front: GrantFrontend;
  readonly #book: BurstBook;

  private constructor(store: Xenstore, domid: number, options: GuestLeasesOptions) {
    const { config, domain, files, lockFd, log, answer, onLending, onBurst, room, stopped } = options;
    this.#store = store;
    this.#book = new BurstBook({
      domain: domain.name,
      mode: () => this.#front.mode ?? config.mode,
      clock: systemClock,
      probeGapMicros: config.latency.probe_min_gap_s * 1e6,
      smallestBytes: config.latency.min_burst_kib * 1024,
      refusal: (byteLength) => probeRefusal(byteLength, room()),
      probe: probeLocal,
      onRecord: onBurst,
    });
    this.#front = new GrantFrontend({
      store,
      domid,
      domain: domain.name,
      files,
      lockFd,
      scheduling: schedulingOf(config),
      reserveBytes: (domain.reserve_mib ?? 0) * MIB,
      answer: (call) => {
        if (call.op !== 'burst') return answer(call);
        this.#book.add(call.burst);
        return undefined;
      },
      onLending: async (lending, reason) => {
        await onLending(lending);
        log.info({ reason }, lending ? 'dom0 lends memory to this domain' : 'dom0 lends to this domain no more');
      },
      onProblem: (problem) => log.warn(problem),
      onFailure: (error) => {
        log.error({ error: error.message }, 'the fast plane has failed');
        stopped();
      },
    });
  }

  /** @throws MemtideError where xenstore cannot be reached. */
  static async start(options: GuestLeasesOptions): Promise<GuestLeases> {
    const { log } = options;
    const store = new Xenstore({
      open: () => openXenstore(),
      replyMillis: REPLY_MILLIS,
      events: {
        lost: (error) => log.warn({ error: error.message }, 'xenstore is away; what is borrowed stays so'),
        restored: () => log.info('xenstore is there again'),
        watchLost: (path, error) => log.error({ path, error: error.message }, 'xenstore tells of this no more'),
      },
    });
    await store.start();
    const leases = new GuestLeases(store, await new XenDomains(store).ownDomid(), options);
    await leases.#front.start();
    return leases;
  }

  /** What is due once a second. */
  tick(): void {
    this.#front.tick();
    this.#book.tick();
  }

  status(): Record<string, unknown> {
    return this.#front.status();
  }

  async stop(): Promise<void> {
    await this.#front.stop();
    this.#book.flush();
    await this.#store.close();
  }
}
