import type { BackendCall, BackendNotice, FrontendWelcome } from './agent-protocol.ts';

/**
 * A front end's slow-plane link to the back end, whatever carries it. It is made once and re-makes itself: an outage is
 * an event, not an end. Each time it stands again the back end may be another one, so whoever uses it tells its state anew.
 */
export interface BackendLink {
  /**
   * Makes the link and says hello; later outages are mended in the background.
   * @throws MemtideError when there is no back end, or it does not let this domain in.
   */
  start(): Promise<FrontendWelcome>;
  /** @returns false when the link is down: it is not said, and not kept. */
  tell(call: BackendCall): boolean;
  readonly isUp: boolean;
  close(): Promise<void>;
}

/** What the link reports. Nothing comes before `start` has resolved or after `close`. */
export interface BackendLinkEvents {
  /** The link stands again after an outage. */
  joined(welcome: FrontendWelcome): void;
  notice(notice: BackendNotice): void;
  /** The link is down, or cannot be made again for a new reason. */
  away(reason: string): void;
}
