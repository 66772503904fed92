import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { privateFloorMib } from '../config/total.ts';
import type { BackendCall, BackendNotice } from '../coordination/agent-protocol.ts';
import { executeMoves } from '../policy/execute.ts';
import { planMoves } from '../policy/plan.ts';
import { type Action, freeBytes, type PlanSnapshot } from '../policy/snapshot.ts';
import { createConductTable, entitlement, isStuck, judgeDonor, type StuckRule } from '../policy/stuck.ts';
import { type Bucket, type BucketRule, fullBucket, refilled, spend } from '../policy/token-bucket.ts';
import { type Bytes, bytes, MIB, mebibytes, roundUp, sizeOr } from '../units.ts';
import { BudgetAccount } from './budget-account.ts';
import { stuckRuleOf } from './settings.ts';

/**
 * Moves private budgets between domains, for programs that know nothing of memtide, guests of Xen left out: one plan a tick
 * at most, carried out in two phases. First donors lower their limits and say by how much; then recipients get what was really freed.
 * What is in nobody's budget and has no memory in the arena is free; free arena chunks become free budget by a punch.
 */
type Report = BackendCall & { op: 'report' };
type Moved = BackendCall & { op: 'moved' };

/** What moving budgets needs of the machine: the arena's figures, its size, and a word with the domains' agents. */
export interface BudgetHost {
  readonly chunkBytes: number;
  /** Whether all that was punched and populated is done and shows in the figures: until then nobody knows what is free. */
  readonly isSettled: boolean;
  figure(name: 'presentChunks' | 'freeChunks'): number;
  /** Says something to a domain's agent; nothing is said when none is connected. */
  tell(domain: string, notice: BackendNotice): void;
  setPressured(domain: string, pressured: boolean): void;
  /** Both are begun at once and end later; `isSettled` shows it. */
  punch(chunks: number): void;
  populate(chunks: number): void;
}

interface Domain {
  readonly name: string;
  floor: Bytes;
  ceiling: Bytes;
  readonly account: BudgetAccount;
  used: number;
  wanted: number;
  pressured: boolean;
  bucket: Bucket;
}

interface Waiting {
  readonly actions: readonly Action[];
  readonly free: number;
  readonly deadlineMicros: number;
  readonly asked: Map<string, { readonly id: number; readonly by: number; freed: number | undefined }>;
}

/** Below this a move is not worth its trouble. */
const SMALLEST_STEP = 4 * MIB;
/** Kept above a donor's use. */
const USE_MARGIN = 8 * MIB;

export class BudgetMover {
  readonly #config: Pick<Config, 'policy' | 'domains'>;
  readonly #total: Bytes;
  readonly #host: BudgetHost;
  readonly #claimedBytes: (domain: string) => number;
  readonly #clock: Clock;
  readonly #onOutcome: (text: string) => void;
  readonly #onGrant: () => void;
  readonly #domains: readonly Domain[];
  readonly #conduct;
  readonly #stuckRule: StuckRule;
  readonly #awaited: Set<string>;
  #waiting: Waiting | undefined;
  #nextId = 1;

  constructor(options: {
    readonly config: Pick<Config, 'policy' | 'domains'>;
    readonly total: Bytes;
    readonly host: BudgetHost;
    /** Arena memory that a domain holds: its ceiling speaks of both. */
    readonly claimedBytes: (domain: string) => number;
    readonly clock: Clock;
    readonly onOutcome: (text: string) => void;
    /** Called when a limit has risen, before its domain is told: a successor must know of it. */
    readonly onGrant?: () => void;
    /** Limits that a predecessor had agreed on, where there was one. */
    readonly limits?: Readonly<Record<string, number>>;
    /** Domains whose limits may be others than that: nothing moves until they have reported, or are gone for good. */
    readonly awaited?: readonly string[];
  }) {
    const domains = options.config.domains.filter(({ guest }) => guest === undefined);
    this.#config = options.config;
    this.#total = bytes(options.total - guestBudgets(options.config));
    this.#host = options.host;
    this.#claimedBytes = options.claimedBytes;
    this.#clock = options.clock;
    this.#onOutcome = options.onOutcome;
    this.#onGrant = options.onGrant ?? (() => {});
    this.#awaited = new Set(options.awaited?.filter((name) => domains.some((domain) => domain.name === name)));
    this.#conduct = createConductTable(domains.length);
    this.#stuckRule = stuckRuleOf(options.config);
    const now = options.clock.monotonicMicros();
    this.#domains = domains.map((domain) => ({
      name: domain.name,
      floor: mebibytes(privateFloorMib(domain)),
      ceiling: mebibytes(domain.ceiling_mib),
      account: new BudgetAccount(sizeOr(options.limits?.[domain.name], mebibytes(domain.budget_mib)), options.total),
      used: 0,
      wanted: 0,
      pressured: false,
      bucket: fullBucket(this.#bucketRule(), now),
    }));
  }

  report(domain: string, { usedBytes, limitBytes, wantedBytes, pressured, lastId = 0 }: Report): void {
    const known = this.#find(domain);
    if (!known) return;
    this.#awaited.delete(domain);
    known.used = sizeOr(usedBytes, known.used);
    known.wanted = sizeOr(wantedBytes, 0);
    known.account.reported(limitBytes, lastId);
    if (known.pressured !== (pressured === true)) this.#host.setPressured(domain, pressured === true);
    known.pressured = pressured === true;
    if (known.pressured) this.tick(); // does not wait for the next round
  }

  moved(domain: string, { id, changeBytes, limitBytes }: Moved): void {
    const known = this.#find(domain);
    if (!known) return;
    const freed = known.account.answered(id, changeBytes, limitBytes);
    const asked = this.#waiting?.asked.get(domain);
    if (freed === undefined || !asked || asked.id !== id) return;
    asked.freed = freed;
    this.tick();
  }

  /** @param limitBytes where its budget stands, of an agent that was there before. */
  joined(domain: string, limitBytes?: number): void {
    this.#find(domain)?.account.joined(limitBytes);
  }

  /** The domain's agent has gone: its programs keep their limits, and nothing is asked of it. */
  forget(domain: string): void {
    const known = this.#find(domain);
    if (known) known.wanted = 0;
    this.#waiting?.asked.delete(domain);
  }

  /** The domain's agent is dead, and so is the last word about its limit. */
  giveUpOn(domain: string): void {
    this.#awaited.delete(domain);
  }

  /** How far a domain's budget may be moved from now on. */
  bound(domain: string, floor: Bytes, ceiling: Bytes): void {
    const known = this.#find(domain);
    if (known) Object.assign(known, { floor, ceiling });
  }

  /** @returns undefined for a guest: its limit is Xen's. */
  limitOf(domain: string): number | undefined {
    return this.#find(domain)?.account.limit;
  }

  /** Of all domains whose budget is moved, by name. */
  get limits(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#domains.map(({ name, account }) => [name, account.limit]));
  }

  /** Free memory that programs want now and that is still behind arena chunks: the pool should not offer it away. */
  get wantedFromPoolBytes(): number {
    const missing = this.#domains.reduce(
      (all, { account, wanted, ceiling, pressured }) =>
        all + (pressured ? Math.max(0, Math.min(wanted, ceiling) - account.limit) : 0),
      0,
    );
    return Math.max(0, missing - Math.max(0, this.#looseBytes()));
  }

  isStuck(domain: string): boolean {
    const at = this.#index(domain);
    return at >= 0 && isStuck(this.#conduct, at, this.#clock.monotonicMicros());
  }

  tick(): void {
    const now = this.#clock.monotonicMicros();
    for (const { name, account } of this.#domains) {
      const move = account.due(now);
      if (move) this.#host.tell(name, { notice: 'budget', id: move.id, changeBytes: move.changeBytes });
    }
    if (!this.#host.isSettled) return;
    if (this.#waiting) this.#finish(this.#waiting, now);
    else if (this.#awaited.size === 0) this.#begin(now);
  }

  #begin(now: number): void {
    const snapshot = this.#snapshot(now);
    const actions = planMoves(snapshot);
    if (actions.length === 0) {
      this.#giveArena(snapshot);
      return;
    }
    const asked: Waiting['asked'] = new Map();
    for (const action of actions) {
      if (action.kind !== 'shrink') continue;
      const id = this.#move(action.domain, -action.by, now);
      asked.set(action.domain, { id, by: action.by, freed: undefined });
    }
    const deadlineMicros = now + this.#config.policy.reclaim_deadline_ms * 1000;
    this.#waiting = { actions, free: freeBytes(snapshot), deadlineMicros, asked };
    if (asked.size === 0) this.#finish(this.#waiting, now);
  }

  /** The second phase: when all donors have answered, or their time is over. */
  #finish(waiting: Waiting, now: number): void {
    const open = [...waiting.asked.values()].some(({ freed }) => freed === undefined);
    if (open && now < waiting.deadlineMicros) return;
    for (const [domain, { by, freed }] of waiting.asked) {
      judgeDonor(this.#conduct, this.#index(domain), by, freed ?? 0, now, this.#stuckRule);
    }
    const grown = executeMoves(waiting.actions, waiting.free, {
      shrink: (domain) => waiting.asked.get(domain)?.freed ?? 0,
      grow: (domain, by) => this.#grow(domain, by, now),
      cutEntitlement: (domain, ceiling) =>
        this.#onOutcome(`${domain} owes memory; its entitlement is cut to ${ceiling}`),
    });
    this.#waiting = undefined;
    for (const { action, moved } of grown) {
      if (action.kind !== 'cut-entitlement')
        this.#onOutcome(`${action.kind} ${action.domain}: ${moved} of ${action.by} bytes`);
    }
  }

  #grow(domain: string, by: number, now: number): number {
    const known = this.#find(domain)!;
    if (known.account.open) return 0;
    // Memory that is still behind free chunks must leave the arena before anybody's limit rises by it.
    const loose = this.#looseBytes();
    if (loose < by) {
      this.#punch(by - loose);
      return 0; // the next plan finds it loose
    }
    const bucket = spend(known.bucket, this.#bucketRule(), now, by);
    if (!bucket) return 0;
    known.bucket = bucket;
    this.#move(domain, by, now);
    return by;
  }

  /** @returns the number of the move. */
  #move(domain: string, changeBytes: number, now: number): number {
    const id = this.#nextId++;
    this.#find(domain)!.account.begin(id, changeBytes, now);
    if (changeBytes > 0) this.#onGrant();
    this.#host.tell(domain, { notice: 'budget', id, changeBytes });
    return id;
  }

  /** In no budget, and not behind an arena chunk. */
  #looseBytes(): number {
    const budgets = this.#domains.reduce((all, { account }) => all + account.limit, 0);
    return this.#total - budgets - this.#host.figure('presentChunks') * this.#host.chunkBytes;
  }

  #punch(missing: number): void {
    if (!this.#host.isSettled) return; // the last one is under way
    this.#host.punch(roundUp(missing, this.#host.chunkBytes) / this.#host.chunkBytes);
  }

  /** Loose memory that no program wants is of more use in the arena. */
  #giveArena({ domains }: PlanSnapshot): void {
    if (domains.some(({ limit, wanted }) => wanted > limit)) return;
    const { chunkBytes } = this.#host;
    const chunks = Math.floor((this.#looseBytes() - this.#config.policy.step_cap_mib * MIB) / chunkBytes);
    if (chunks > 0) this.#host.populate(Math.min(chunks, POPULATE_CHUNKS));
  }

  #snapshot(now: number): PlanSnapshot {
    const rule = this.#bucketRule();
    const freeArena = this.#host.figure('freeChunks') * this.#host.chunkBytes;
    const arenaInUse = this.#host.figure('presentChunks') * this.#host.chunkBytes - freeArena;
    return {
      total: this.#total - arenaInUse,
      pool: Math.max(0, this.#looseBytes()) + freeArena,
      domains: this.#domains.map((domain, index) => {
        domain.bucket = refilled(domain.bucket, rule, now);
        const { limit, open } = domain.account;
        // One move at a time: until it is answered, the domain neither gives nor gets.
        const stuck = open !== undefined || isStuck(this.#conduct, index, now);
        return {
          name: domain.name,
          limit,
          used: domain.used,
          wanted: open ? Math.min(limit, Math.max(domain.floor, domain.wanted)) : Math.max(domain.floor, domain.wanted),
          floor: domain.floor,
          ceiling: entitlement(Math.max(0, domain.ceiling - this.#claimedBytes(domain.name)), limit, stuck),
          pressured: domain.pressured,
          stuck,
          tokens: domain.bucket.tokenBytes,
        };
      }),
      rules: {
        largestStep: this.#config.policy.step_cap_mib * MIB,
        smallestStep: SMALLEST_STEP,
        useMargin: USE_MARGIN,
        poolTarget: 0,
      },
    };
  }

  #bucketRule(): BucketRule {
    const { tokens_mib_per_s, token_burst_mib } = this.#config.policy;
    return { bytesPerSecond: tokens_mib_per_s * MIB, burstBytes: token_burst_mib * MIB };
  }

  #find(domain: string): Domain | undefined {
    return this.#domains.find(({ name }) => name === domain);
  }

  #index(domain: string): number {
    return this.#domains.findIndex(({ name }) => name === domain);
  }
}

/** Chunks taken from the system in one tick: a millisecond or so of the fast plane's idle time. */
const POPULATE_CHUNKS = 8;

/** A guest's reservation is moved by `ReservationMover`, and is no part of what is governed here. */
const guestBudgets = ({ domains }: Pick<Config, 'domains'>): number =>
  domains.reduce((all, { guest, budget_mib }) => all + (guest === undefined ? 0 : mebibytes(budget_mib)), 0);
