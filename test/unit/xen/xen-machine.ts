/**
 * A machine under Xen on a virtual clock: the back end's mover in dom0, and guests with their agents and Linux's balloon.
 * Xen keeps the books, and refuses what a cap or the free heap does not allow.
 */
import { pino } from 'pino';
import { GuestReservation } from '../../../src/agent/guest-reservation.ts';
import { ReservationMover } from '../../../src/agent/reservation-mover.ts';
import { guestReserveRule } from '../../../src/agent/settings.ts';
import { VirtualClock } from '../../../src/clock.ts';
import { checkConfig } from '../../../src/config/load.ts';
import type { ConfigInput } from '../../../src/config/schema.ts';
import type { BackendCall, BackendNotice } from '../../../src/coordination/agent-protocol.ts';
import { BalloonRoute } from '../../../src/platforms/xen/balloon-route.ts';
import type { Mode } from '../../../src/records.ts';
import { type Bytes, bytes, MIB, mebibytes } from '../../../src/units.ts';
import type { DomainMemory, MemoryBooks } from '../../../src/xen/memory-books.ts';
import { LinuxBalloon } from './linux-balloon.ts';

export const BOOT_MIB = 256;
export const FLOOR_MIB = 96;
export const KEEP_MIB = 16;

export class SimulatedGuest {
  readonly balloon = new LinuxBalloon(mebibytes(BOOT_MIB));
  readonly reservation: GuestReservation;
  /** What programs wanted and did not find: they stall, or are killed. */
  missedBytes = 0;
  readonly notices: BackendNotice[] = [];

  readonly name: string;
  readonly domid: number;

  constructor(name: string, domid: number, clock: VirtualClock, hear: (call: BackendCall) => void) {
    this.name = name;
    this.domid = domid;
    const route = new BalloonRoute({
      driver: this.balloon,
      limits: { floor: mebibytes(FLOOR_MIB), ceiling: mebibytes(BOOT_MIB) },
      bootBytes: mebibytes(BOOT_MIB),
      deadlineMillis: 5000,
      clock,
      sleep: () => {
        throw new Error('an agent waits for no balloon');
      },
    });
    this.reservation = new GuestReservation({
      route,
      reserve: guestReserveRule(mebibytes(24), mebibytes(64)),
      horizonMicros: 500_000,
      clock,
      log: pino({ level: 'silent' }),
      tell: (call) => {
        hear(call);
        return true;
      },
    });
    this.reservation.meet(1);
  }

  /** As if it had been moved there before. */
  startAt(heldBytes: number): void {
    this.balloon.held = heldBytes;
    this.balloon.setTarget(bytes(heldBytes));
  }

  hear(notice: BackendNotice): void {
    this.notices.push(notice);
    if (notice.notice === 'budget') this.reservation.move(notice);
    if (notice.notice === 'limits')
      this.reservation.limits = { floor: bytes(notice.floorBytes), ceiling: bytes(notice.ceilingBytes) };
  }

  /** Programs hold so much more, or less; what is not there they miss. */
  use(used: number): void {
    this.missedBytes += Math.max(0, used - this.balloon.held);
    this.balloon.used = Math.min(used, this.balloon.held);
  }
}

export class XenMachine implements MemoryBooks {
  readonly source = 'simulation';
  readonly clock = new VirtualClock(1_000_000);
  readonly guests: SimulatedGuest[] = [];
  mover: ReservationMover;
  readonly #start: () => ReservationMover;
  readonly overstated: string[] = [];
  mode: Mode;
  /** All that Xen has for guests and its free heap. */
  total: number;
  /** Called each millisecond. */
  onMillisecond: (now: number) => void = () => {};
  #usedAt = 0;
  #lives = 1;
  #rates = new Map<string, number>();

  constructor({
    totalMib = 2 * BOOT_MIB + KEEP_MIB + 64,
    mode = 'hypervisor' as Mode,
    names = ['cluster', 'infotainment'],
    config = {} as Partial<ConfigInput>,
  } = {}) {
    this.total = totalMib * MIB;
    this.mode = mode;
    this.#start = () =>
      new ReservationMover({
        config: checkConfig({
          policy: { step_cap_mib: 64, stuck_after_misses: 1 },
          xen: { keep_free_mib: KEEP_MIB, pool_mib: 32 },
          domains: names.map((name) => ({
            name,
            floor_mib: 1,
            ceiling_mib: 2,
            budget_mib: 1,
            guest: { floor_mib: FLOOR_MIB, ceiling_mib: BOOT_MIB },
          })),
          ...config,
        }),
        books: this,
        domidOf: (name) => this.guests.find((guest) => guest.name === name)?.domid,
        tell: (domain, notice) => this.guests.find(({ name }) => name === domain)?.hear(notice),
        mode: () => this.mode,
        clock: this.clock,
        onOutcome: () => {},
        onOverstated: (domain) => this.overstated.push(domain),
      });
    this.mover = this.#start();
    for (const [at, name] of names.entries()) this.create(name, at + 1);
  }

  create(name: string, domid: number): SimulatedGuest {
    const guest = new SimulatedGuest(name, domid, this.clock, (call) => {
      if (call.op === 'report') this.mover.report(name, call);
      if (call.op === 'moved') this.mover.moved(name, call);
    });
    guest.balloon.xenGives = (next) => next <= guest.balloon.cap && next - guest.balloon.held <= this.free;
    this.guests.push(guest);
    return guest;
  }

  /** The back end ends without a word, and another one is there: it knows what Xen knows, and what guests tell it. */
  restartBackend(): void {
    this.mover = this.#start();
    for (const { reservation } of this.guests) {
      reservation.meet(++this.#lives);
      reservation.report(0, true);
    }
  }

  destroy(name: string): void {
    this.guests.splice(
      this.guests.findIndex((guest) => guest.name === name),
      1,
    );
  }

  guest(name: string): SimulatedGuest {
    return this.guests.find((guest) => guest.name === name)!;
  }

  get free(): number {
    return this.total - this.guests.reduce((all, { balloon }) => all + balloon.held, 0);
  }

  /** What guests may yet take with nobody's consent. */
  get promised(): number {
    return this.guests.reduce((all, { balloon }) => all + Math.max(0, balloon.cap - balloon.held), 0);
  }

  /** The programs of a guest hold more and more: bytes a millisecond. */
  rise(name: string, bytesPerMillisecond: number): void {
    this.#rates.set(name, bytesPerMillisecond);
  }

  /** Guests' agents look each 10 ms, the back end each 50 ms. */
  async run(millis: number): Promise<void> {
    for (let passed = 0; passed < millis; passed++) {
      this.clock.advanceMicros(1000);
      this.#usedAt++;
      this.onMillisecond(this.#usedAt);
      for (const guest of this.guests) {
        guest.balloon.run();
        const rate = this.#rates.get(guest.name) ?? 0;
        if (rate > 0) guest.use(guest.balloon.used + rate);
        if (this.#usedAt % 10 !== 0) continue;
        guest.reservation.rebalance(rate * 1000);
        guest.reservation.report(rate * 1000, this.#usedAt % 1000 === 0);
      }
      if (this.#usedAt % 50 === 0) await this.mover.tick();
    }
  }

  async freeBytes(): Promise<Bytes> {
    return bytes(this.free);
  }

  async domain(domid: number): Promise<DomainMemory | undefined> {
    const guest = this.guests.find((each) => each.domid === domid);
    return guest && { heldBytes: bytes(guest.balloon.held), capBytes: bytes(guest.balloon.cap) };
  }

  async setCap(domid: number, cap: Bytes, _goal?: Bytes): Promise<boolean> {
    const guest = this.guests.find((each) => each.domid === domid);
    if (guest) guest.balloon.cap = cap;
    return guest !== undefined;
  }

  close(): void {}
}
