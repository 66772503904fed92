/** Stamps messages with every clock there is, so that a drive recorded with a wrong wall clock can be put right later. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Micros } from '../units.ts';
import type { ReadSyncState, SyncState } from './clock-sync.ts';
import { SCHEMA_VERSION } from './kinds.ts';
import type { Stamp } from './schema.ts';
import type { Report } from './topics.ts';

/** A boot has one id, however it was found. */
export interface BootId {
  readonly id: string;
  /** Why the id is one of our own, valid for this process only. */
  readonly madeUp?: string;
}

/** The kernel's random id of this boot. @param procRoot `/proc`, or a fixture. */
export function readBootId(procRoot: string): BootId {
  const file = join(procRoot, 'sys/kernel/random/boot_id');
  try {
    const id = readFileSync(file, 'utf8').trim();
    if (/^[0-9a-f-]{36}$/.test(id)) return { id };
    return { id: processId(), madeUp: `${file} holds no boot id` };
  } catch (error) {
    return { id: processId(), madeUp: `${file}: ${(error as NodeJS.ErrnoException).code}` };
  }
}

/** Loads the cryptography of Node, some 2 MiB, only where it comes to this. */
const processId = (): string => `process-${process.getBuiltinModule('node:crypto').randomUUID()}`;

export interface StamperOptions {
  readonly clock: Clock;
  readonly bootId: string;
  readonly readSyncState: ReadSyncState;
}

/** The synchronisation state is asked for at most this often; it changes a few times in a drive. */
const SYNC_STATE_MAX_AGE_MICROS = 1_000_000;

export class Stamper {
  readonly bootId: string;
  readonly #clock: Clock;
  readonly #readSyncState: ReadSyncState;
  readonly #next = new Map<Report | 'rsp' | 'coord', number>();
  #syncState: SyncState | undefined;
  #syncReadAt = 0;

  constructor({ clock, bootId, readSyncState }: StamperOptions) {
    this.#clock = clock;
    this.bootId = bootId;
    this.#readSyncState = readSyncState;
  }

  /**
   * The next stamp of a topic.
   * @param topic what `seq` counts within; all answers count together, and all coordination.
   * @param at the monotonic instant that the message speaks of; left out, now.
   */
  stamp(topic: Report | 'rsp' | 'coord', at?: Micros): Stamp {
    const now = this.#clock.monotonicMicros();
    const instant = at ?? now;
    const seq = this.#next.get(topic) ?? 0;
    this.#next.set(topic, seq + 1);
    const sync = this.#syncAt(now);
    return {
      v: SCHEMA_VERSION,
      seq,
      boot: this.bootId,
      mono_ns: String(Math.round(instant * 1000)),
      ts: new Date(this.#clock.wallMillis() - (now - instant) / 1000).toISOString(),
      ...(sync.known ? { synced: sync.synced } : {}),
    };
  }

  /** For `doctor` and the log: whether the wall clock is synchronised, or why nobody knows. */
  syncState(): SyncState {
    return this.#syncAt(this.#clock.monotonicMicros());
  }

  #syncAt(now: Micros): SyncState {
    if (this.#syncState === undefined || now - this.#syncReadAt >= SYNC_STATE_MAX_AGE_MICROS) {
      this.#syncState = this.#readSyncState();
      this.#syncReadAt = now;
    }
    return this.#syncState;
  }
}
