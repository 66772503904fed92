/**
 * After qmemman of Qubes OS, written from its published algorithm and constants (qubes-core-admin, qubes/qmemman/algo.py and
 * systemstate.py; qubes-linux-utils, qmemman/meminfo-writer.c): each guest tells what it uses, and dom0 shares all memory out
 * in proportion to 1.3 times that. Pure; sizes in bytes.
 *
 * Where it differs, it does so in its favour: nothing is kept free in Xen's heap (there 50 MiB); no guest prefers at least
 * 200 MiB, which small guests never have; changes of less than 150 MiB in all are made too; and it looks again every 0.1 s,
 * not only when a guest has told something new.
 */
import { MIB } from '../../units.ts';

/** Between two words of a guest about its memory, and between two rounds of dom0's loop. */
export const QMEMMAN_PERIOD_MILLIS = 100;
/** What a guest should have for each byte that it uses. */
export const QMEMMAN_CACHE_FACTOR = 1.3;
/** 30,000 KiB: a guest tells of a change beyond it. */
const TELL_BYTES = 30_000 * 1024;
/** Who holds so little more than it prefers is asked for nothing: it has probably been asked already. */
const SMALLEST_GIFT = 10 * MIB;
/** Against rounding errors. */
const ROUNDING = 0.999;

export interface QmemmanGuest {
  readonly name: string;
  /** By Xen's count. */
  readonly held: number;
  /** As it last told. */
  readonly used: number;
  /** It is never given more, and never asked to hold less. */
  readonly most: number;
  readonly least: number;
}

export interface QmemmanTarget {
  readonly name: string;
  readonly target: number;
}

/** Whether a guest's use is worth telling; half of the change is, where it rises and comes near to what the guest has. */
export function qmemmanTells(used: number, told: number | undefined, has: number): boolean {
  if (told === undefined) return true;
  if (Math.abs(used - told) > TELL_BYTES) return true;
  return used - told > TELL_BYTES / 2 && used * QMEMMAN_CACHE_FACTOR > has;
}

/**
 * One round. @param free what no guest holds.
 * @returns the target of each guest that is to move, those that give first.
 */
export function qmemmanBalance(free: number, guests: readonly QmemmanGuest[]): QmemmanTarget[] {
  const preferred = new Map(guests.map((guest) => [guest.name, preferenceOf(guest)]));
  const pref = ({ name }: QmemmanGuest): number => preferred.get(name)!;
  const needed = guests.reduce((all, guest) => all + pref(guest) - guest.held, 0);
  const targets = free > needed ? shareOut(free - needed, guests, pref) : makeDo(free, guests, pref);
  const givesFirst = ({ name, target }: QmemmanTarget): number =>
    target < guests.find((guest) => guest.name === name)!.held ? 0 : 1;
  return targets.sort((a, b) => givesFirst(a) - givesFirst(b));
}

const preferenceOf = ({ used, most, least }: QmemmanGuest): number =>
  Math.max(Math.min(used * QMEMMAN_CACHE_FACTOR, most), least);

/** All have what they prefer; what is left goes to all in proportion, and beyond a guest's most to the others evenly. */
function shareOut(
  left: number,
  guests: readonly QmemmanGuest[],
  pref: (guest: QmemmanGuest) => number,
): QmemmanTarget[] {
  const all = guests.reduce((sum, guest) => sum + pref(guest), 0);
  const targets = guests.map((guest) => ROUNDING * (pref(guest) + (pref(guest) / all) * left));
  for (;;) {
    const over = targets.reduce((sum, target, at) => sum + Math.max(0, target - guests[at]!.most), 0);
    for (const [at, { most }] of guests.entries()) targets[at] = Math.min(targets[at]!, most);
    const open = guests.flatMap(({ most }, at) => (targets[at]! < most ? [at] : []));
    if (over < 1 || open.length === 0) break;
    for (const at of open) targets[at] = targets[at]! + (ROUNDING * over) / open.length;
  }
  return guests.map(({ name }, at) => ({ name, target: Math.floor(targets[at]!) }));
}

/** Too little for all: who holds more than it prefers gives that up, and what is free already goes to those in need. */
function makeDo(free: number, guests: readonly QmemmanGuest[], pref: (guest: QmemmanGuest) => number): QmemmanTarget[] {
  const gifts = guests.filter((guest) => guest.held - pref(guest) >= SMALLEST_GIFT);
  const inNeed = guests.filter((guest) => guest.held < pref(guest) && guest.held < guest.most);
  const all = inNeed.reduce((sum, guest) => sum + pref(guest), 0);
  return [
    ...gifts.map((guest) => ({ name: guest.name, target: Math.floor(pref(guest)) })),
    ...inNeed.map((guest) => ({
      name: guest.name,
      target: Math.floor(Math.min(guest.held + ROUNDING * (pref(guest) / all) * Math.max(0, free), guest.most)),
    })),
  ];
}
