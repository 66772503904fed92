import type { DomainConfig } from '../config/schema.ts';
import type { Wanting } from '../policy/fair-wants.ts';
import type { DomainView } from '../policy/snapshot.ts';
import type { Bucket } from '../policy/token-bucket.ts';
import { mebibytes } from '../units.ts';
import { GuestAccount } from './guest-account.ts';

/** What the back end knows of one guest. */
export interface GuestRecord {
  readonly name: string;
  readonly floor: number;
  readonly ceiling: number;
  readonly account: GuestAccount;
  domid: number | undefined;
  /** Xen's, when it was last read or set. */
  cap: number;
  /** As last told. */
  told: number;
  used: number;
  wanted: number;
  /** What it is to hold of that, where all together want more than there is. */
  share: number;
  pressured: boolean;
  /** When it last answered that it gave less than it was asked for, it had said that it needs what it holds. */
  excused: boolean;
  /** It has an agent, and that has said how the guest is. */
  isHeard: boolean;
  overstated: number;
  /** How often the back end has asked it to give up memory, and has let it grow. */
  askedToShrink: number;
  letGrow: number;
  bucket: Bucket;
}

export const newGuest = (name: string, bounds: DomainConfig['guest'] & object, bucket: Bucket): GuestRecord => ({
  name,
  floor: mebibytes(bounds.floor_mib),
  ceiling: mebibytes(bounds.ceiling_mib),
  account: new GuestAccount(),
  domid: undefined,
  cap: 0,
  told: -1,
  used: 0,
  wanted: 0,
  share: 0,
  pressured: false,
  excused: false,
  isHeard: false,
  overstated: 0,
  askedToShrink: 0,
  letGrow: 0,
  bucket,
});

/** What it says of itself, as far as it can be: its use is within what Xen has it hold, and more than its ceiling it never gets. */
export const wantsOf = ({ used, wanted, ceiling, account }: GuestRecord): Wanting => ({
  used: Math.min(used, account.heldBytes),
  wanted: Math.min(wanted, ceiling),
});

/** The guest as the planner sees it. @param stuck nothing is to be asked of it. */
export function viewOf(guest: GuestRecord, stuck: boolean): DomainView {
  const { open, growthUnderWay, heldBytes } = guest.account;
  const limit = heldBytes + growthUnderWay; // what may come is nobody else's
  const silent = guest.domid === undefined || !guest.isHeard || open !== undefined;
  return {
    name: guest.name,
    limit,
    used: wantsOf(guest).used,
    wanted: silent ? limit : Math.max(guest.floor, guest.share),
    floor: Math.min(guest.floor, limit),
    ceiling: guest.ceiling,
    pressured: guest.pressured && guest.share > limit,
    stuck: silent || stuck,
    tokens: guest.bucket.tokenBytes,
  };
}

/** Not a guest: what is set aside for one that is to be created. No domain has such a name. */
export const ROOM = '(room)';

/** Made up like a domain that has fallen below its floor: whole, and from others' reserves if need be. */
export const roomView = (byteLength: number): DomainView => ({
  name: ROOM,
  limit: 0,
  used: 0,
  wanted: byteLength,
  floor: byteLength,
  ceiling: byteLength,
  pressured: false,
  stuck: false,
  tokens: 0,
});
