import type { Config } from '../config/schema.ts';
import { GrantLender } from '../coordination/grant-lender.ts';
import type { Mode } from '../records.ts';
import { MIB } from '../units.ts';
import { openXenstore } from '../xen/xenstore/open.ts';
import { Xenstore } from '../xen/xenstore/xenstore.ts';
import { BackendAgent } from './backend-agent.ts';
import type { DomainLimits } from './backend-commands.ts';
import type { Log } from './log.ts';
import { logRefusals, schedulingOf } from './settings.ts';

/** Its commands are for what is lent to guests, too. */
class LendingBackend extends BackendAgent {
  lender: GrantLender | undefined;

  override setMode(mode: Mode): void {
    super.setMode(mode);
    this.lender?.setMode(mode);
  }

  override setLimits(domain: string, change: Partial<DomainLimits>): DomainLimits {
    const limits = super.setLimits(domain, change);
    this.lender?.setCeiling(domain, limits.ceiling_mib * MIB);
    return limits;
  }
}

/** The agent of dom0 under Xen: the back end of its own programs, and the lender of memory to those of the guests. */
export class XenBackendAgent {
  readonly #config: Config;
  readonly #runDir: string;
  readonly #log: Log;
  readonly #stopped: () => void;
  readonly #backend: LendingBackend;
  #store: Xenstore | undefined;

  constructor(options: ConstructorParameters<typeof BackendAgent>[0]) {
    this.#config = options.config;
    this.#runDir = options.runDir;
    this.#log = options.log;
    this.#stopped = options.stopped;
    this.#backend = new LendingBackend({ ...options, moreStatus: () => ({ lent: this.#backend.lender?.status() }) });
  }

  async start(): Promise<void> {
    await this.#backend.start();
    const { arena, domains, mode, policy, xen } = this.#config;
    this.#store = new Xenstore({
      open: () => openXenstore(),
      events: {
        lost: (error) => this.#log.warn({ error: error.message }, 'xenstore is away; what is lent stays so'),
        restored: () => this.#log.info('xenstore is there again'),
        watchLost: (path, error) => this.#log.error({ path, error: error.message }, 'xenstore tells of this no more'),
      },
    });
    await this.#store.start();
    const lender = new GrantLender({
      store: this.#store,
      runDir: this.#runDir,
      arenaBytes: xen.arena_mib * MIB,
      chunkBytes: arena.chunk_kib * 1024,
      guests: domains.map(({ name, ceiling_mib }) => ({ name, ceilingBytes: ceiling_mib * MIB })),
      scheduling: schedulingOf(this.#config),
      mode,
      stuckBackoffMillis: policy.stuck_backoff_s * 1000,
      onGuest: (guest, connected, reason) =>
        this.#log.info({ guest, reason }, connected ? 'memory is lent to a guest' : 'a guest is lent to no more'),
      onProblem: (problem) => this.#log.warn(problem),
      onFailure: (error) => {
        this.#log.error({ error: error.message }, 'the fast plane that lends to guests has failed');
        this.#stopped();
      },
    });
    await lender.start();
    this.#backend.lender = lender;
    logRefusals(lender.constructs, this.#log);
  }

  async stop(): Promise<void> {
    await this.#backend.lender?.stop();
    await this.#store?.close();
    await this.#backend.stop();
  }
}
