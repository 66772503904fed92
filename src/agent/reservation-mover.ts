import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import type { BackendCall, BackendNotice } from '../coordination/agent-protocol.ts';
import { entitlements } from '../policy/entitlements.ts';
import { executeMoves } from '../policy/execute.ts';
import { fairWants } from '../policy/fair-wants.ts';
import { planMoves } from '../policy/plan.ts';
import { type Action, freeBytes, type PlanSnapshot } from '../policy/snapshot.ts';
import { createConductTable, forgive, isStuck, judgeDonor, type StuckRule } from '../policy/stuck.ts';
import { type BucketRule, fullBucket, refilled, spend } from '../policy/token-bucket.ts';
import type { Mode } from '../records.ts';
import { bytes, MIB, roundDown, sizeOr } from '../units.ts';
import { COUNTING_SLACK, type MemoryBooks } from '../xen/memory-books.ts';
import type { SettledMove } from './guest-account.ts';
import { type GuestRecord, newGuest, ROOM, roomView, viewOf, wantsOf } from './guest-record.ts';
import { Room } from './room.ts';
import { stuckRuleOf } from './settings.ts';

type Report = BackendCall & { op: 'report' };
type Moved = BackendCall & { op: 'moved' };
type Settings = Pick<Config, 'policy' | 'domains' | 'xen'>;

interface Wave {
  readonly actions: readonly Action[];
  readonly free: number;
  /** By donor: what it gave up, by Xen's count; undefined until that is known. */
  readonly freed: Map<string, number | undefined>;
}

/** Below this a move is not worth its trouble: a few batches of the balloon's driver. */
const SMALLEST_STEP = 4 * MIB;
/** Kept above a donor's use: more than the donor itself insists on. */
const USE_MARGIN = 24 * MIB;
/** Caps follow what changes in steps. */
const CAP_STEP = MIB;
/** Of the balloon's driver: to grow by less is not worth a word. */
const BATCH = 2 * MIB;

export interface GuestStatus {
  readonly name: string;
  readonly domid: number | undefined;
  readonly held_bytes: number;
  readonly entitlement_bytes: number;
  readonly wanted_bytes: number;
  readonly stuck: boolean;
  /** How often it claimed to have moved what Xen knows nothing of. */
  readonly overstated: number;
  readonly asked_to_shrink: number;
  /** Growth that waited for the back end: none in mode `hypervisor`. */
  readonly let_grow: number;
}

export interface ReservationMoverOptions {
  readonly config: Settings;
  readonly books: MemoryBooks;
  /** Who has the name of a domain now; undefined for nobody. */
  readonly domidOf: (name: string) => number | undefined;
  /** Says something to a domain's agent; nothing is said when none is linked. */
  readonly tell: (domain: string, notice: BackendNotice) => void;
  readonly mode: () => Mode;
  readonly clock: Clock;
  readonly onOutcome: (text: string) => void;
  readonly onOverstated: (domain: string) => void;
}

/**
 * Moves the reservations of Xen's guests. In mode `hypervisor` each guest grows by itself within its entitlement, which Xen
 * enforces and which is set ahead of need from the free heap; the back end keeps that filled from guests at ease. In mode
 * `split` a guest holds its entitlement already, and all growth is asked for: first donors free, then recipients may grow.
 * What a move came to is counted by Xen; what guests say only ends the waiting.
 */
export class ReservationMover {
  readonly #options: ReservationMoverOptions;
  readonly #settings: Settings;
  readonly #guests: readonly GuestRecord[];
  readonly #conduct;
  readonly #stuckRule: StuckRule;
  readonly #room: Room;
  #free = 0;
  #wave: Wave | undefined;
  #nextId = 1;

  constructor(options: ReservationMoverOptions) {
    this.#options = options;
    this.#settings = options.config;
    const now = options.clock.monotonicMicros();
    this.#guests = options.config.domains.flatMap(({ name, guest }) =>
      guest === undefined ? [] : newGuest(name, guest, fullBucket(this.#bucketRule(), now)),
    );
    this.#conduct = createConductTable(this.#guests.length);
    this.#stuckRule = stuckRuleOf(options.config);
    this.#room = new Room(options.clock);
  }

  /** @returns whether it is urgent. */
  report(domain: string, { usedBytes, wantedBytes, pressured }: Report): boolean {
    const guest = this.#find(domain);
    if (!guest) return false;
    Object.assign(guest, { used: sizeOr(usedBytes, 0), wanted: sizeOr(wantedBytes, 0), pressured: pressured === true });
    if (!guest.isHeard) guest.told = -1; // it may have missed what was said before
    guest.isHeard = true;
    return guest.pressured;
  }

  /** @returns whether a move is over by it. */
  moved(domain: string, { id, changeBytes, limitBytes }: Moved): boolean {
    const guest = this.#find(domain);
    if (guest?.account.answered(id, changeBytes, limitBytes) !== true) return false;
    guest.excused = guest.wanted > limitBytes;
    return true;
  }

  /** The domain's agent has joined, or has gone: nothing that was told counts any more. */
  met(domain: string): void {
    const guest = this.#find(domain);
    if (!guest) return;
    guest.isHeard = false;
    guest.told = -1;
  }

  limitOf(domain: string): number | undefined {
    const guest = this.#find(domain);
    return guest && guest.account.heldBytes > 0 ? guest.account.heldBytes : undefined;
  }

  /**
   * Sets memory aside in Xen's free heap, for a guest that is to be created: guests at ease are asked for it, and nobody may
   * grow into it for as long as it is held, or until that guest is there.
   * @param guest its name; left out: whichever of those that are moved here is created next.
   * @returns whether it is there, at the latest at the first tick after `waitMicros`.
   */
  makeRoom(byteLength: number, waitMicros: number, holdMicros: number, guest?: string): Promise<boolean> {
    const { domidOf } = this.#options;
    const awaited = guest === undefined ? this.#guests.map(({ name }) => name) : [guest];
    const before = awaited.map(domidOf);
    const isUsed = () => awaited.some((name, at) => ![undefined, before[at]].includes(domidOf(name)));
    return this.#room.ask(byteLength, waitMicros, holdMicros, isUsed);
  }

  /** Free for guests: of Xen's heap, what is neither kept back nor set aside. Below 0 where it is short. */
  get poolBytes(): number {
    return this.#governedFree - this.#room.byteLength;
  }

  /** One look at Xen's books, and what follows from it. Never twice at once. */
  async tick(): Promise<void> {
    let isRoomThere = false;
    try {
      await this.#count();
      this.#room.endOnceUsed();
      this.#shareOut();
      if (this.#wave) this.#finish(this.#wave);
      else this.#plan();
      await this.#setCaps();
      this.#tellMoves();
      isRoomThere = this.#isRoomThere();
    } finally {
      this.#room.look(isRoomThere); // its deadline is one when Xen does not answer, too
    }
  }

  status(): { readonly free_bytes: number; readonly pool_bytes: number; readonly guests: readonly GuestStatus[] } {
    return {
      free_bytes: this.#free,
      pool_bytes: Math.max(0, this.poolBytes),
      guests: this.#guests.map((guest, at) => ({
        name: guest.name,
        domid: guest.domid,
        held_bytes: guest.account.heldBytes,
        entitlement_bytes: Math.max(0, guest.told),
        wanted_bytes: guest.wanted,
        stuck: this.#isStuck(at),
        overstated: guest.overstated,
        asked_to_shrink: guest.askedToShrink,
        let_grow: guest.letGrow,
      })),
    };
  }

  async #count(): Promise<void> {
    const { books, clock, domidOf } = this.#options;
    for (const [at, guest] of this.#guests.entries()) {
      const domid = domidOf(guest.name);
      const counted = domid === undefined ? undefined : await books.domain(domid);
      if (counted === undefined || domid !== guest.domid) this.#changeLife(at, counted ? domid : undefined);
      const now = clock.monotonicMicros();
      if (counted === undefined) continue;
      guest.cap = counted.capBytes ?? guest.cap;
      const settled = guest.account.counted(counted.heldBytes, now);
      if (settled) this.#judge(at, settled);
    }
    this.#free = await books.freeBytes();
  }

  /** Of what there is for those that can be asked; the others keep what they hold. */
  #shareOut(): void {
    const heard = this.#guests.filter(({ isHeard, domid }) => isHeard && domid !== undefined);
    const total = heard.reduce((all, { account }) => all + account.heldBytes, Math.max(0, this.poolBytes));
    const shares = fairWants(total, heard.map(wantsOf));
    for (const [at, guest] of heard.entries()) guest.share = Math.min(shares[at]!, guest.ceiling);
  }

  /** It was destroyed, or another one has its name now. */
  #changeLife(at: number, domid: number | undefined): void {
    const guest = this.#guests[at]!;
    if (guest.domid === domid) return;
    forgive(this.#conduct, at);
    guest.domid = domid;
    guest.account.forget();
    guest.account.heldBytes = 0;
    Object.assign(guest, { cap: 0, told: -1, isHeard: false, wanted: 0, share: 0, pressured: false });
    if (this.#wave?.freed.has(guest.name)) this.#wave.freed.set(guest.name, 0);
  }

  #judge(at: number, { changeBytes, movedBytes, overstated }: SettledMove): void {
    const guest = this.#guests[at]!;
    const now = this.#options.clock.monotonicMicros();
    if (overstated) {
      guest.overstated++;
      this.#options.onOverstated(guest.name);
    }
    if (changeBytes > 0) return;
    if (this.#wave?.freed.has(guest.name)) this.#wave.freed.set(guest.name, movedBytes);
    guest.told = -1; // by giving it has given up its entitlement, and is to hear of the next
    // It has answered in time, and its own programs need the rest: that is no miss.
    if (movedBytes < -changeBytes && !overstated && guest.excused) return;
    const verdict = judgeDonor(this.#conduct, at, -changeBytes, movedBytes, now, this.#stuckRule);
    this.#options.onOutcome(`${guest.name} gave up ${movedBytes} of ${-changeBytes} bytes: ${verdict}`);
  }

  #plan(): void {
    const snapshot = this.#snapshot();
    const actions = planMoves(snapshot);
    const freed: Wave['freed'] = new Map();
    for (const action of actions) {
      if (action.kind !== 'shrink') continue;
      this.#move(this.#find(action.domain)!, -roundDown(action.by, MIB));
      freed.set(action.domain, undefined);
    }
    const wave = { actions, free: freeBytes(snapshot), freed };
    if (freed.size > 0) this.#wave = wave;
    else this.#finish(wave);
  }

  /** The second phase: when what every donor gave up is known. */
  #finish(wave: Wave): void {
    if ([...wave.freed.values()].includes(undefined)) return;
    this.#wave = undefined;
    executeMoves(wave.actions, wave.free, {
      shrink: (domain) => wave.freed.get(domain) ?? 0,
      grow: (domain, by) => this.#letGrow(domain, by),
      cutEntitlement: () => {}, // the caps do it
    });
  }

  /** In mode `hypervisor` guests grow by themselves; the caps have room for it. */
  #letGrow(domain: string, by: number): number {
    if (domain === ROOM) return by; // it is taken by being left alone
    const guest = this.#find(domain)!;
    if (this.#options.mode() === 'hypervisor' || guest.account.open) return 0;
    if (by > this.poolBytes - this.#growthUnderWay) return 0; // somebody has taken it since
    const bucket = spend(guest.bucket, this.#bucketRule(), this.#options.clock.monotonicMicros(), by);
    if (!bucket) return 0;
    guest.bucket = bucket;
    this.#move(guest, roundDown(by, MIB));
    return by;
  }

  #move(guest: GuestRecord, changeBytes: number): void {
    const deadline = this.#options.clock.monotonicMicros() + this.#settings.xen.balloon_deadline_ms * 1000;
    if (changeBytes < 0) guest.askedToShrink++;
    else guest.letGrow++;
    guest.excused = false;
    guest.account.begin(this.#nextId++, changeBytes, deadline);
  }

  #entitled(): number[] {
    if (this.#options.mode() === 'split')
      return this.#guests.map(({ account }) => account.heldBytes + account.growthUnderWay);
    const entitled = entitlements(
      this.poolBytes,
      this.#guests.map(({ account, share, ceiling, isHeard, domid }, at) => ({
        held: account.heldBytes,
        wanted: share,
        ceiling,
        // Who is asked to give does not grow meanwhile.
        stuck: domid === undefined || !isHeard || this.#isStuck(at) || account.open !== undefined,
      })),
    );
    return entitled.map((each) => roundDown(each, MIB));
  }

  /** First those that fall, so that at no time more is promised than there is. */
  async #setCaps(): Promise<void> {
    const { books, tell } = this.#options;
    const entitled = this.#entitled();
    const changes = this.#guests
      .map((guest, at) => ({ guest, cap: Math.max(guest.account.heldBytes, entitled[at]!) }))
      .filter(({ guest }) => guest.domid !== undefined)
      .sort((a, b) => a.cap - a.guest.cap - (b.cap - b.guest.cap));
    for (const { guest, cap } of changes) {
      if (Math.abs(cap - guest.cap) >= CAP_STEP || guest.cap > cap) {
        const { goal } = guest.account;
        if (!(await books.setCap(guest.domid!, bytes(cap), goal === undefined ? goal : bytes(goal)))) continue;
        guest.cap = cap;
      }
      // Xen counts pages that the guest's kernel does not: a guest that is told the cap itself would run against it.
      // What it is let grow by it is told as a move: as its entitlement it would take it by itself before.
      const { heldBytes, growthUnderWay } = guest.account;
      const ceiling = Math.max(heldBytes, cap - growthUnderWay - COUNTING_SLACK);
      if (!guest.isHeard || !this.#isNews(guest, ceiling)) continue;
      guest.told = ceiling;
      tell(guest.name, { notice: 'limits', floorBytes: guest.floor, ceilingBytes: ceiling });
    }
  }

  /** Each notice wakes a guest. Who moves as it was asked does nothing else meanwhile, and is told when it is done. */
  #isNews({ told, account }: GuestRecord, ceiling: number): boolean {
    if (told < 0) return true;
    if (account.open) return false;
    return ceiling < told ? told - ceiling >= CAP_STEP : ceiling - told >= BATCH;
  }

  /** After the caps: growth is told once Xen allows it. */
  #tellMoves(): void {
    const { clock, tell } = this.#options;
    for (const { name, account } of this.#guests) {
      const due = account.due(clock.monotonicMicros());
      if (due) tell(name, { notice: 'budget', id: due.id, changeBytes: due.changeBytes });
    }
  }

  #snapshot(): PlanSnapshot {
    const now = this.#options.clock.monotonicMicros();
    const rule = this.#bucketRule();
    const { policy, xen } = this.#settings;
    const guests = this.#guests.map((guest, at) => {
      guest.bucket = refilled(guest.bucket, rule, now);
      return viewOf(guest, this.#isStuck(at));
    });
    const room = this.#room.byteLength;
    const pool = this.poolBytes + room - this.#growthUnderWay;
    return {
      total: guests.reduce((all, { limit }) => all + limit, pool),
      pool,
      domains: room > 0 ? [...guests, roomView(room)] : guests,
      rules: {
        largestStep: policy.step_cap_mib * MIB,
        smallestStep: SMALLEST_STEP,
        useMargin: USE_MARGIN,
        poolTarget: this.#options.mode() === 'hypervisor' ? xen.pool_mib * MIB : 0,
      },
    };
  }

  get #growthUnderWay(): number {
    return this.#guests.reduce((all, { account }) => all + account.growthUnderWay, 0);
  }

  get #governedFree(): number {
    const { total_mib, keep_free_mib } = this.#settings.xen;
    const free = this.#free - keep_free_mib * MIB;
    const held = this.#guests.reduce((all, { account }) => all + account.heldBytes, 0);
    return total_mib === undefined ? free : Math.min(free, total_mib * MIB - held);
  }

  #isRoomThere(): boolean {
    const promised = this.#guests.reduce((all, { cap, account }) => all + Math.max(0, cap - account.heldBytes), 0);
    return this.#governedFree - promised >= this.#room.byteLength;
  }

  #isStuck(at: number): boolean {
    return isStuck(this.#conduct, at, this.#options.clock.monotonicMicros());
  }

  #bucketRule(): BucketRule {
    const { tokens_mib_per_s, token_burst_mib } = this.#settings.policy;
    return { bytesPerSecond: tokens_mib_per_s * MIB, burstBytes: token_burst_mib * MIB };
  }

  #find(domain: string): GuestRecord | undefined {
    return this.#guests.find(({ name }) => name === domain);
  }
}
