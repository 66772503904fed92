/** A flat message, as it travels. */
export type CoordinationFields = Readonly<Record<string, string | number | boolean>>;

/**
 * What carries messages between the agents of one vehicle. Who sent a message is the topic that it came by, never what it
 * says: a broker with an access list lets nobody else write there.
 */
export interface CoordinationPort {
  /** @returns false when there is no connection: the message is not kept. */
  send(to: string, fields: CoordinationFields): boolean;
  /** Hears what others send to this domain; what the broker had kept (retained) is not passed on. One listener. */
  listen(hear: (from: string, content: Buffer) => void): void;
}
