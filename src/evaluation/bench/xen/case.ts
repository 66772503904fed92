import type { BalloonDriver } from '../../../platforms/xen/balloon-driver.ts';
import type { Bytes } from '../../../units.ts';
import type { Peer } from './peer.ts';

/** What a case has at hand: this guest's balloon, and the programs of the bench in dom0. */
export interface XenBench {
  /** As the toolstack names this guest. */
  readonly domain: string;
  /** Of this domain's agent, whether there is one or not. */
  readonly agentSocket: string;
  readonly driver: BalloonDriver;
  readonly dom0: Peer;
  /** Changes this guest's reservation by its own balloon, outside what is timed. */
  resize(to: Bytes): Promise<void>;
  /** Resolves as soon as the guest holds so much. */
  holds(wanted: Bytes): Promise<void>;
}

/** One way to come to memory. A file each, and a line in `cases.ts`. */
export interface XenCase {
  readonly name: string;
  /** For people: what is timed. */
  readonly about: string;
  /** Whether the guest has to be made small first; else the memory is there already. */
  readonly grows: boolean;
  /** Once, before anything is timed. @returns why it cannot be taken here, or nothing. */
  open?(bench: XenBench): Promise<string | undefined>;
  /** Before the rounds of a size. @returns why it cannot be taken with that, or nothing. */
  fits?(by: Bytes): Promise<string | undefined>;
  /** Before each round, untimed. @param held what the guest holds, @param by what will be asked for. */
  before?(bench: XenBench, held: Bytes, by: Bytes): Promise<void>;
  /** Timed: from the request until the guest may use so much more. */
  take(bench: XenBench, held: Bytes, by: Bytes): Promise<void>;
  /** Timed: writes to all of it. Left out: to fresh pages of this program. */
  touch?(by: Bytes): void;
  /** After each round, untimed; also where it has failed, wherever that was. */
  after?(bench: XenBench): Promise<void>;
  /** Once, at the end, where it was opened. */
  close?(): Promise<void> | undefined;
}
