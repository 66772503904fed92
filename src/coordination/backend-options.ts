import type { Mode } from '../records.ts';
import type { Bytes } from '../units.ts';
import type { BackendCall, BackendNotice } from './agent-protocol.ts';
import type { ArenaWish } from './backend-arena.ts';
import type { PairLimits } from './pair-limits.ts';
import type { PlaneScheduling } from './plane-constructs.ts';

export interface BackendDomain {
  readonly name: string;
  readonly limits: PairLimits;
}

export interface BackendOptions extends ArenaWish {
  readonly runDir: string;
  /** All that is governed, arena and budgets: only written down for a successor. */
  readonly totalBytes?: Bytes;
  /** Lets the bench play ping-pong with the fast plane. */
  readonly allowPing?: boolean;
  readonly doorbell: 'futex' | 'fifo';
  readonly scheduling: PlaneScheduling;
  readonly mode: Mode;
  readonly stuckBackoffMillis: number;
  readonly domains: readonly BackendDomain[];
  /** What the agents say on the slow plane, beside hello. */
  readonly onCall?: (domain: string, call: BackendCall) => void;
  /** Answers whoever asks for the state of the machine. */
  readonly status?: () => unknown;
  /** Collects memory for a guest of Xen that is to be created; refused where left out. */
  readonly room?: (room: Bytes, waitMicros: number, holdMicros: number, guest?: string) => Promise<boolean>;
  /** A notice that the socket could not carry: for another link, where there is one. */
  readonly onUntold?: (domain: string, notice: BackendNotice) => void;
  readonly brokerUrl?: string | undefined;
  /** What the programs of a domain may hold now. */
  readonly budgetOf?: (domain: string) => number | undefined;
  /** @param limitBytes where its budget stands, of an agent that was there before. */
  readonly onDomain?: (domain: string, connected: boolean, limitBytes?: number) => void;
}
