import { EXIT, MemtideError } from '../../errors.ts';
import type { ByteStream } from './byte-stream.ts';
import { type Reply, XenstoreConnection } from './connection.ts';
import { type Ask, XenstoreOperations } from './operations.ts';
import { checkPath, isAtOrBelow } from './paths.ts';
import { malformedAnswer, refusal } from './refusals.ts';
import { type MessageType, nulEnded, stringsOf, XS } from './wire.ts';

export interface XenstoreOptions {
  /** Opens a new stream to xenstored: at the start, and after each loss. */
  readonly open: () => Promise<ByteStream>;
  readonly events?: XenstoreEvents;
  readonly replyMillis?: number;
  readonly reconnectMillis?: { readonly first: number; readonly largest: number };
}

export interface XenstoreEvents {
  /** The connection is gone. Requests are rejected until it is restored; watches stay registered. */
  lost?(error: MemtideError): void;
  /** It is back, and every watch is set again, which fires it once. */
  restored?(): void;
  /** A watch could not be set again; it is dropped. */
  watchLost?(path: string, error: MemtideError): void;
}

export interface Watch {
  /** Nothing is called after this. A connection that is away or is lost meanwhile ends the watch as well. */
  close(): Promise<void>;
}

export type TransactionResult<Value> =
  | { readonly ok: true; readonly value: Value }
  /** Every attempt met other writers. Nothing was stored. */
  | { readonly ok: false; readonly attempts: number };

const RECONNECT_MILLIS = { first: 50, largest: 2000 };
/** Attempts at a transaction whose nodes others write. Each waits longer than the one before: 2 s altogether. */
export const TRANSACTION_ATTEMPTS = 12;
const retryMillis = (attempt: number): number => Math.min(256, 2 ** attempt) - 1;

/** The tree of xenstore, over a connection that is opened again when it is lost. */
export class Xenstore extends XenstoreOperations {
  readonly #options: XenstoreOptions;
  readonly #watches = new Map<string, { readonly path: string; readonly changed: (path: string) => void }>();
  #connection: XenstoreConnection | undefined;
  #lastLoss: MemtideError | undefined;
  #nextToken = 1;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #isRestoring = false;

  constructor(options: XenstoreOptions) {
    super((type, payload) => this.#up().request(type, payload));
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#connection !== undefined;
  }

  /** @throws MemtideError if xenstored cannot be reached. */
  async start(): Promise<void> {
    await this.#connect();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#watches.clear();
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }

  /**
   * Calls `changed` with the path of each change at or below `path`. It is called **once right away**, with `path`
   * itself, whether or not there is such a node, and once more after each loss of the connection: who reads the tree
   * whenever it is called sees everything. Changes in quick succession are told one by one, and none may be told that
   * was none.
   * @param path or `@introduceDomain`, `@releaseDomain` (dom0)
   */
  async watch(path: string, changed: (path: string) => void): Promise<Watch> {
    checkPath(path, { special: true });
    const connection = this.#up();
    const token = `memtide-${this.#nextToken++}`;
    // Before the request: over the kernel's device the first event may come before the answer.
    this.#watches.set(token, { path, changed });
    try {
      await setWatch(connection, path, token);
    } catch (error) {
      this.#watches.delete(token);
      throw error;
    }
    return { close: () => this.#unwatch(path, token) };
  }

  /**
   * Runs `body` in a transaction, and again while others write what it reads or writes. What it throws undoes the
   * transaction and is thrown on. @throws MemtideError when the connection is lost: if that was at the very end, the
   * transaction may have been stored; read again.
   */
  async transaction<Value>(
    body: (within: XenstoreOperations) => Promise<Value>,
    { attempts = TRANSACTION_ATTEMPTS } = {},
  ): Promise<TransactionResult<Value>> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, retryMillis(attempt)));
      const result = await this.#attempt(body);
      if (result) return result;
    }
    return { ok: false, attempts };
  }

  /** `/local/domain/3` for 3. */
  async domainPath(domid: number): Promise<string> {
    const operation = 'ask for the path of a domain';
    const [path] = await this.#strings(operation, `domain ${domid}`, XS.getDomainPath, nulEnded(String(domid)));
    return path!;
  }

  /** Whether xenstored serves the domain: from its creation until its destruction. Dom0 only. */
  async isIntroduced(domid: number): Promise<boolean> {
    const operation = 'ask whether a domain is there';
    const [answer] = await this.#strings(operation, `domain ${domid}`, XS.isDomainIntroduced, nulEnded(String(domid)));
    return answer === 'T';
  }

  #up(): XenstoreConnection {
    if (this.#connection) return this.#connection;
    throw new MemtideError({
      operation: 'ask xenstored',
      actual: this.#lastLoss?.detail.actual ?? 'there is no connection',
      remedy: 'memtide connects again by itself; see whether xenstored runs',
      ...(this.#lastLoss && { cause: this.#lastLoss }),
      exitCode: EXIT.unavailable,
    });
  }

  async #connect(): Promise<void> {
    const stream = await this.#options.open();
    const connection: XenstoreConnection = new XenstoreConnection(
      stream,
      {
        watchEvent: (path, token) => this.#fire(path, token),
        lost: (error) => this.#lost(connection, error),
      },
      { ...(this.#options.replyMillis !== undefined && { replyMillis: this.#options.replyMillis }) },
    );
    if (this.#closed) return await connection.close();
    const watches = [...this.#watches];
    // Before its watches are set: they fire at once, and who is called may want to read.
    this.#connection = connection;
    for (const [token, { path }] of watches) {
      try {
        await setWatch(connection, path, token);
      } catch (error) {
        if (!connection.isOpen) return; // lost again, and told so
        this.#watches.delete(token);
        this.#options.events?.watchLost?.(path, error as MemtideError);
      }
    }
    if (this.#isRestoring && connection.isOpen) this.#options.events?.restored?.();
    this.#isRestoring = true;
  }

  #lost(connection: XenstoreConnection, error: MemtideError): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#lastLoss = error;
    this.#again(0);
    this.#options.events?.lost?.(error);
  }

  #again(attempt: number): void {
    const { first, largest } = this.#options.reconnectMillis ?? RECONNECT_MILLIS;
    const reconnect = async (): Promise<void> => {
      try {
        await this.#connect();
      } catch {
        // The loss has been told; that it is not over yet is no news.
        if (!this.#closed) this.#again(attempt + 1);
      }
    };
    this.#retry = setTimeout(() => void reconnect(), Math.min(largest, first * 2 ** Math.min(attempt, 10)));
  }

  #fire(path: string, token: string): void {
    // One of a watch that has just been closed may still be on its way.
    const watch = this.#watches.get(token);
    if (watch && isAtOrBelow(path, watch.path)) watch.changed(path);
  }

  async #unwatch(path: string, token: string): Promise<void> {
    const connection = this.#connection;
    if (!this.#watches.delete(token) || !connection) return;
    const reply = await connection.request(XS.unwatch, nulEnded(path, token)).catch((error: unknown) => {
      if (connection.isOpen) throw error;
    });
    if (reply?.ok === false && reply.code !== 'ENOENT') throw refusal('end a xenstore watch', path, reply.code);
  }

  /** `undefined` on a conflict. */
  async #attempt<Value>(
    body: (within: XenstoreOperations) => Promise<Value>,
  ): Promise<TransactionResult<Value> | undefined> {
    const connection = this.#up();
    const id = await this.#startTransaction(connection);
    let open = true;
    const ask: Ask = async (type, payload) => {
      if (!open) throw refusal('use a xenstore transaction that has ended', '', 'ENOENT');
      return await connection.request(type, payload, id);
    };
    const end = (commit: boolean): Promise<Reply> => {
      open = false;
      return connection.request(XS.transactionEnd, nulEnded(commit ? 'T' : 'F'), id);
    };
    let value: Value;
    try {
      value = await body(new XenstoreOperations(ask));
    } catch (error) {
      await end(false).catch(() => undefined); // it ends with its connection, too
      throw error;
    }
    const reply = await end(true);
    if (reply.ok) return { ok: true, value };
    if (reply.code === 'EAGAIN') return undefined;
    throw refusal('end a xenstore transaction', '', reply.code);
  }

  async #startTransaction(connection: XenstoreConnection): Promise<number> {
    const operation = 'start a xenstore transaction';
    const reply = await connection.request(XS.transactionStart, nulEnded(''));
    if (!reply.ok) throw refusal(operation, '', reply.code);
    const [text = ''] = stringsOf(reply.payload) ?? [];
    const id = /^\d{1,10}$/.test(text) ? Number(text) : 0;
    if (id > 0 && id <= 0xffff_ffff) return id;
    throw malformedAnswer(operation, '', 'a number from 1 to 2^32 - 1', reply.payload);
  }

  async #strings(operation: string, object: string, type: MessageType, payload: Buffer): Promise<string[]> {
    const reply = await this.#up().request(type, payload);
    if (!reply.ok) throw refusal(operation, object, reply.code);
    const strings = stringsOf(reply.payload);
    if (strings && strings.length > 0) return strings;
    throw malformedAnswer(operation, object, 'one string', reply.payload);
  }
}

async function setWatch(connection: XenstoreConnection, path: string, token: string): Promise<void> {
  const reply = await connection.request(XS.watch, nulEnded(path, token));
  if (!reply.ok) throw refusal('watch a xenstore node', path, reply.code);
}
