import { EXIT, errorMessage, MemtideError } from '../../errors.ts';
import type { ByteStream } from './byte-stream.ts';
import { encodeMessage, type Message, MessageReader, type MessageType, nameOfType, stringsOf, XS } from './wire.ts';

/** What xenstored answered: a payload, or the name of an error (`ENOENT`). */
export type Reply = { readonly ok: true; readonly payload: Buffer } | { readonly ok: false; readonly code: string };

export interface ConnectionEvents {
  watchEvent(path: string, token: string): void;
  /** Once, whatever ended it, save `close()`. Every request that was waiting has been rejected with it. */
  lost(error: MemtideError): void;
}

/** How long xenstored may take for one answer. It answers within milliseconds; a live update takes it a second or two. */
export const REPLY_MILLIS = 10_000;

interface Request {
  readonly type: MessageType;
  readonly payload: Buffer;
  readonly transactionId: number;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: MemtideError) => void;
}

/**
 * Requests and answers over one stream, from its opening to its loss. Asks one thing at a time: xenstored is no fast
 * path, and the kernel's device needs it so. (Older kernels answer WATCH and UNWATCH there with a req_id of 0, and a
 * request that write(2) refuses has no answer to know it by.)
 *
 * Whatever the protocol does not allow ends the connection: after a wrong answer nobody knows whose the next one is.
 */
export class XenstoreConnection {
  readonly #stream: ByteStream;
  readonly #events: ConnectionEvents;
  readonly #replyMillis: number;
  readonly #reader = new MessageReader();
  readonly #waiting: Request[] = [];
  #asked: Request | undefined;
  #requestId = 0;
  #deadline: NodeJS.Timeout | undefined;
  #lost: MemtideError | undefined;

  constructor(stream: ByteStream, events: ConnectionEvents, { replyMillis = REPLY_MILLIS } = {}) {
    this.#stream = stream;
    this.#events = events;
    this.#replyMillis = replyMillis;
    stream.start({
      data: (chunk) => this.#receive(chunk),
      refused: (code) => this.#answer({ ok: false, code }),
      ended: (why, cause) => this.#ended(why, cause),
    });
  }

  get isOpen(): boolean {
    return this.#lost === undefined;
  }

  /**
   * @returns what xenstored answered.
   * @throws MemtideError when the payload does not fit into a message, or when the connection is lost before the answer:
   * whether xenstored did what was asked is unknown then.
   */
  request(type: MessageType, payload: Buffer, transactionId = 0): Promise<Reply> {
    if (payload.length > this.#stream.maxPayloadBytes) return Promise.reject(this.#tooLong(type, payload));
    if (this.#lost) return Promise.reject(this.#unanswered(type, transactionId, this.#lost));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ type, payload, transactionId, resolve, reject });
      this.#askNext();
    });
  }

  /** Requests without an answer are rejected; `lost` is not called. */
  async close(): Promise<void> {
    this.#end(this.#problem({ actual: 'memtide closed the connection' }));
    await this.#stream.close();
  }

  #askNext(): void {
    if (this.#asked || this.#lost) return;
    const next = this.#waiting.shift();
    if (!next) return;
    this.#asked = next;
    this.#requestId = this.#requestId === 0xffff_ffff ? 1 : this.#requestId + 1;
    this.#deadline = setTimeout(
      () =>
        this.#fail({
          expected: `an answer to ${nameOfType(next.type)} within ${this.#replyMillis} ms`,
          actual: 'none',
          remedy: 'see whether xenstored runs, and its log (/var/log/xen/)',
        }),
      this.#replyMillis,
    );
    this.#stream.send(encodeMessage({ ...next, requestId: this.#requestId }));
  }

  #answer(reply: Reply): void {
    const asked = this.#asked;
    if (!asked) return; // a refusal that comes after the loss
    clearTimeout(this.#deadline);
    this.#asked = undefined;
    asked.resolve(reply);
    this.#askNext();
  }

  #receive(chunk: Uint8Array): void {
    const messages = this.#reader.push(chunk);
    while (!this.#lost) {
      const message = this.#next(messages);
      if (!message) return;
      this.#take(message);
    }
  }

  #next(messages: Generator<Message>): Message | undefined {
    try {
      const { done, value } = messages.next();
      return done === true ? undefined : value;
    } catch (cause) {
      this.#fail(cause instanceof MemtideError ? { ...cause.detail, cause } : { actual: errorMessage(cause), cause });
      return undefined;
    }
  }

  #take(message: Message): void {
    const meaning = meaningOf(message, this.#asked && { type: this.#asked.type, requestId: this.#requestId });
    if (meaning.kind === 'event') this.#events.watchEvent(meaning.path, meaning.token);
    else if (meaning.kind === 'reply') this.#answer(meaning.reply);
    else this.#fail(meaning);
  }

  #ended(why: string, cause?: unknown): void {
    const cut = this.#reader.unfinishedBytes;
    this.#fail({ actual: cut === 0 ? why : `${why}, ${cut} bytes into a message`, cause });
  }

  #fail(found: Found): void {
    if (this.#lost) return;
    const error = this.#problem(found);
    this.#end(error);
    void this.#stream.close();
    this.#events.lost(error);
  }

  #end(error: MemtideError): void {
    if (this.#lost) return;
    this.#lost = error;
    clearTimeout(this.#deadline);
    const left = [...(this.#asked ? [this.#asked] : []), ...this.#waiting.splice(0)];
    this.#asked = undefined;
    for (const { type, transactionId, reject } of left) reject(this.#unanswered(type, transactionId, error));
  }

  #problem({ expected, actual, remedy, cause }: Found): MemtideError {
    return new MemtideError({
      operation: 'keep the connection to xenstored',
      object: this.#stream.path,
      ...(expected !== undefined && { expected }),
      ...(actual !== undefined && { actual }),
      remedy: remedy ?? 'memtide connects again by itself; see whether xenstored runs, and its log (/var/log/xen/)',
      cause,
      exitCode: EXIT.unavailable,
    });
  }

  #unanswered(type: MessageType, transactionId: number, lost: MemtideError): MemtideError {
    const within = transactionId === 0 ? '' : ' in a transaction, of which nothing is stored unless it had been ended';
    return new MemtideError({
      operation: `ask xenstored (${nameOfType(type)})`,
      object: this.#stream.path,
      actual: `the connection was lost before an answer${within}: ${lost.detail.actual ?? ''}`,
      remedy: 'read again what was written, once the connection is back',
      cause: lost,
      exitCode: EXIT.unavailable,
    });
  }

  #tooLong(type: MessageType, payload: Buffer): MemtideError {
    return new MemtideError({
      operation: `ask xenstored (${nameOfType(type)})`,
      object: this.#stream.path,
      expected: `path and value of at most ${this.#stream.maxPayloadBytes} bytes`,
      actual: `${payload.length}`,
      remedy: 'store less in one node',
    });
  }
}

interface Found {
  readonly expected?: string;
  readonly actual?: string;
  readonly remedy?: string;
  readonly cause?: unknown;
}

type Meaning =
  | { readonly kind: 'event'; readonly path: string; readonly token: string }
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'fault'; readonly expected: string; readonly actual: string };

const fault = (expected: string, actual: string): Meaning => ({ kind: 'fault', expected, actual });

/** @param asked the request that waits for its answer */
function meaningOf(
  { type, requestId, payload }: Message,
  asked: { readonly type: MessageType; readonly requestId: number } | undefined,
): Meaning {
  // By its type alone: the kernel's device leaves the ids of an event as it found them on its stack.
  if (type === XS.watchEvent) {
    const [path, token] = stringsOf(payload) ?? [];
    if (path !== undefined && token !== undefined) return { kind: 'event', path, token };
    return fault('path and token of a watch', `${payload.length} bytes that are not`);
  }
  if (!asked) return fault('an answer to a request', `${nameOfType(type)} unasked`);
  const isWatch = asked.type === XS.watch || asked.type === XS.unwatch;
  if (requestId !== asked.requestId && !(isWatch && requestId === 0)) {
    return fault(`the answer to request ${asked.requestId}`, `one to request ${requestId}`);
  }
  if (type === asked.type) return { kind: 'reply', reply: { ok: true, payload } };
  if (type !== XS.error) return fault(`an answer to ${nameOfType(asked.type)}`, `one to ${nameOfType(type)}`);
  const [code = ''] = stringsOf(payload) ?? [];
  if (!/^E[A-Z0-9]{1,30}$/.test(code)) return fault('the name of an error', 'another text');
  return { kind: 'reply', reply: { ok: false, code } };
}
