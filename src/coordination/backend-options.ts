import type { Mode } from '../records.ts';
import type { Bytes } from '../units.ts';
import type { BackendCall } from './agent-protocol.ts';
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
  readonly brokerUrl?: string;
  /** What the programs of a domain may hold now. */
  readonly budgetOf?: (domain: string) => number | undefined;
  readonly onDomain?: (domain: string, connected: boolean) => void;
}
