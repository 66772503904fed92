import { MemtideError } from '../../errors.ts';

/**
 * Xenstore's wire format. Source: xen/include/public/io/xs_wire.h and docs/misc/xenstore.txt of Xen (read at 4.12, 4.17
 * and 4.22-unstable: the values have never changed, only been added to).
 *
 *     0  type            what is asked, what is answered (`ERROR` for a refusal)
 *     4  req_id          the asker's; comes back with the answer
 *     8  tx_id           the transaction, 0 outside any
 *    12  len             bytes of payload that follow, at most 4096
 *    16  payload         mostly strings, each ended by a NUL
 *
 * The four words have the byte order of the machine, which is little-endian wherever memtide runs.
 */
export const HEADER_BYTES = 16;
/** XENSTORE_PAYLOAD_MAX, in both directions. xenstored cuts off a client that sends more. */
export const PAYLOAD_MAX_BYTES = 4096;

/** enum xsd_sockmsg_type; the ones that memtide sends or receives. */
export const XS = {
  directory: 1,
  read: 2,
  getPerms: 3,
  watch: 4,
  unwatch: 5,
  transactionStart: 6,
  transactionEnd: 7,
  getDomainPath: 10,
  write: 11,
  mkdir: 12,
  rm: 13,
  setPerms: 14,
  watchEvent: 15,
  error: 16,
  isDomainIntroduced: 17,
  /** Since Xen 4.9; `ENOSYS` before. */
  directoryPart: 22,
} as const;
export type MessageType = (typeof XS)[keyof typeof XS];

/** `DIRECTORY` for 1; the number itself for what memtide does not know. */
export function nameOfType(type: number): string {
  const name = Object.entries(XS).find(([, value]) => value === type)?.[0];
  return name === undefined ? `type ${type}` : name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

export interface Message {
  readonly type: number;
  readonly requestId: number;
  readonly transactionId: number;
  /** A view that lives as long as it is kept. */
  readonly payload: Buffer;
}

export function encodeMessage({ type, requestId, transactionId, payload }: Message): Buffer {
  const message = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  message.writeUInt32LE(type, 0);
  message.writeUInt32LE(requestId, 4);
  message.writeUInt32LE(transactionId, 8);
  message.writeUInt32LE(payload.length, 12);
  payload.copy(message, HEADER_BYTES);
  return message;
}

/** Strings as the protocol carries them: each followed by a NUL. */
export const nulEnded = (...strings: readonly string[]): Buffer => Buffer.from(strings.map((s) => `${s}\0`).join(''));

/** The strings of a payload; `undefined` if the last one is not ended by a NUL. */
export function stringsOf(payload: Buffer): string[] | undefined {
  if (payload.length === 0) return [];
  if (payload[payload.length - 1] !== 0) return undefined;
  return payload.subarray(0, -1).toString().split('\0');
}

/** Cuts a stream of bytes into messages. Keeps at most one unfinished message: 4112 bytes. */
export class MessageReader {
  readonly #held = Buffer.allocUnsafe(HEADER_BYTES + PAYLOAD_MAX_BYTES);
  #heldBytes = 0;

  /** Bytes of a message that has begun and not ended. */
  get unfinishedBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Yields each message that `chunk` completes. Consume it to its end.
   * @throws MemtideError for a length above 4096: where the next message begins is then unknown.
   */
  *push(chunk: Uint8Array): Generator<Message> {
    let at = 0;
    while (at < chunk.length) {
      const wanted = this.#heldBytes < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + this.#payloadBytes();
      const taken = chunk.subarray(at, at + wanted - this.#heldBytes);
      this.#held.set(taken, this.#heldBytes);
      this.#heldBytes += taken.length;
      at += taken.length;
      if (this.#heldBytes < HEADER_BYTES || this.#heldBytes < HEADER_BYTES + this.#payloadBytes()) continue;
      const message = this.#message();
      this.#heldBytes = 0;
      yield message;
    }
  }

  #payloadBytes(): number {
    const length = this.#held.readUInt32LE(12);
    if (length <= PAYLOAD_MAX_BYTES) return length;
    throw new MemtideError({
      operation: 'read a message of xenstored',
      expected: `a payload of at most ${PAYLOAD_MAX_BYTES} bytes`,
      actual: `a header that says ${length}`,
      remedy: 'the stream is damaged; memtide connects again by itself',
    });
  }

  #message(): Message {
    return {
      type: this.#held.readUInt32LE(0),
      requestId: this.#held.readUInt32LE(4),
      transactionId: this.#held.readUInt32LE(8),
      payload: Buffer.from(this.#held.subarray(HEADER_BYTES, this.#heldBytes)),
    };
  }
}
