import type { BackendCall, BackendNotice } from './agent-protocol.ts';

/**
 * The slow plane between the agents of the domains and the back end, whatever carries it: a Unix socket on one machine, MQTT
 * between kernels that share no memory. What both ends may rely on:
 *
 * - nothing is heard twice, out of order, or from an incarnation of the other side that has ended;
 * - something may be lost, at any time. Whoever needs an answer says it again, and whoever hears it again repeats the answer;
 * - a link re-makes itself. Each time it stands again the other side may be another one, so everything is told anew.
 */
export interface BackendLink<Welcome> {
  /**
   * Makes the link and says hello; later outages are mended in the background.
   * @throws MemtideError when there is no back end, or it does not let this domain in.
   */
  start(): Promise<Welcome>;
  /** @returns false when the link is down: it is not said, and not kept. */
  tell(call: BackendCall): boolean;
  readonly isUp: boolean;
  close(): Promise<void>;
}

/** What a link reports. Nothing comes before `start` has resolved or after `close`. */
export interface BackendLinkEvents<Welcome> {
  /** The link stands again after an outage. */
  joined(welcome: Welcome): void;
  notice(notice: BackendNotice): void;
  /** The link is down, or cannot be made again for a new reason. */
  away(reason: string): void;
}

/** The back end's end of all links of one kind. */
export interface LinkServer {
  start(): Promise<void>;
  /** Says something to a domain's agent. @returns false when none is linked. */
  tell(domain: string, notice: BackendNotice): boolean;
  isLinked(domain: string): boolean;
  stop(): Promise<void>;
}

/** What the back end does about its links. Calls are as hostile as their sender: every field is checked by who uses it. */
export interface LinkHost<Welcome> {
  /**
   * @param sharesMemory it is linked otherwise, and wants a second way for its requests.
   * @returns what lets a domain in, or why it is not.
   */
  admit(domain: string, sharesMemory: boolean): Admission<Welcome>;
  /** @param limitBytes where its budget stands, of an agent that was there before. */
  joined(domain: string, limitBytes: number | undefined): void;
  left(domain: string): void;
  /** `domain` is who is linked, whatever the call says. */
  call(domain: string, call: BackendCall): void;
}

export type Admission<Welcome> =
  | { readonly ok: true; readonly welcome: Welcome }
  | { readonly ok: false; readonly error: string };
