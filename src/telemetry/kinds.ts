/**
 * What a writer of messages needs of the wire schema. Apart from schema.ts: writing needs no schemas.
 */
export const SCHEMA_VERSION = 1;

/** What a message may hold. Brokers accept 256 MiB; a flat JSON object needs none of it. */
export const MAX_CONTENT_BYTES = 32 * 1024;

/** What goes through the outgoing queue, and is counted when it has to be given up. */
export const SENT_KINDS = ['mem', 'psi', 'alloc', 'burst', 'mark', 'rsp', 'coord'] as const;
export type SentKind = (typeof SENT_KINDS)[number];
