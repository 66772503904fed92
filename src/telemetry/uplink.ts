import type { Clock } from '../clock.ts';
import type { CommandHandlers } from './commands.ts';
import type { SentKind } from './kinds.ts';
import type { OutgoingQueue } from './outgoing-queue.ts';
import type { ReportPayload, Stamp } from './schema.ts';
import type { StoredFeed } from './spool/contracts.ts';
import type { Stamper } from './stamp.ts';
import type { TopicOwner } from './topics.ts';

/** What becomes known of the connection to a broker. */
export type UplinkEvent =
  | { readonly kind: 'connected' }
  /** Once for each outage, with its first reason; `status` has the latest. */
  | { readonly kind: 'disconnected'; readonly reason: string }
  /** The broker is there but forbids something; the rest works. */
  | { readonly kind: 'refused'; readonly operation: string; readonly reason: string };

export interface UplinkStatus {
  readonly state: 'stopped' | 'connecting' | 'connected';
  /** Why it is not connected. */
  readonly reason?: string;
  /** Connections made since the start: more than one means that it was lost in between. */
  readonly connections: number;
  readonly queued: number;
  /** Sent with QoS 1 and not yet acknowledged. */
  readonly inFlight: number;
  readonly dropped: Readonly<Partial<Record<SentKind, number>>>;
}

export interface PublisherOptions {
  readonly owner: TopicOwner;
  /** `mqtt://host[:port]` or `mqtts://host[:port]`. */
  readonly url: string;
  /** 4 is MQTT 3.1.1. */
  readonly protocolVersion: 4 | 5;
  readonly keepaliveSeconds: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** PEM. */
  readonly certificateAuthority?: string | undefined;
  readonly clock: Clock;
  readonly stamper: Stamper;
  readonly birth: Omit<ReportPayload<'info'>, keyof Stamp>;
  /** Loaded with the first command: its schemas cost memory that an agent without commands need not pay. */
  readonly commands?: () => Promise<CommandHandlers>;
  /**
   * Hears what other domains of this vehicle send to this one. Retained messages are not passed on: whoever retained them
   * meant another moment.
   */
  readonly onCoordination?: (from: string, content: Buffer) => void;
  /** Hears of each change of the connection, once. */
  readonly onEvent?: (event: UplinkEvent) => void;
  readonly queue?: OutgoingQueue;
  /** Keeps reports on disk until they are delivered. Left out: what the queue cannot hold is lost. */
  readonly spool?: StoredFeed;
  /** Shortest time between two attempts to connect; doubled up to 30 s, with jitter. 500 by default. */
  readonly reconnectMillis?: number;
  /** In [0, 1), for the jitter. */
  readonly random?: () => number;
  /** Shortest time between two states that tell of figures which have changed. 5000 by default. */
  readonly stateMillis?: number;
  /** How long a stop waits for the broker to acknowledge what is under way. 2000 by default. */
  readonly stopMillis?: number;
}
