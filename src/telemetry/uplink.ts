import type { SentKind } from './kinds.ts';

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
