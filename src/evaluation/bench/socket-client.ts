import fs from 'node:fs';
import { openOwnersFile, residentExtents } from '../../control/owner-table.ts';
import {
  type LeaseReply,
  LineSplitter,
  SESSION_PROTOCOL_VERSION,
  type SessionReply,
  type SessionWelcome,
} from '../../coordination/session-protocol.ts';
import { viewOf } from '../../native/libc.ts';
import { connectUnixSocket } from '../../native/unix-socket.ts';
import { type Arena, openArena } from '../../platforms/arena/arena-file.ts';

/** A lease over the socket, in one piece. */
export interface SocketLease {
  readonly lease: number;
  readonly offset: number;
  readonly byteLength: number;
  /** Whether nothing had to be fetched from another domain. */
  readonly atHand: boolean;
}

/** A program that borrows over the Unix socket and blocks for its answer, as one in C does; its arena mapped once. */
export class SocketClient {
  readonly #fd: number;
  readonly #splitter = new LineSplitter();
  readonly #buffer = Buffer.alloc(64 * 1024);
  readonly #arena: Arena;
  readonly #bytes: Uint8Array;

  constructor(path: string) {
    this.#fd = connectUnixSocket(path);
    const reply = this.#call({ op: 'hello', version: SESSION_PROTOCOL_VERSION, pid: process.pid });
    const { arena, geometry, owners, arenaId } = (reply as { hello: SessionWelcome }).hello;
    this.#arena = openArena(arena);
    const table = openOwnersFile(owners, { chunkCount: geometry.chunkCount, arenaId }, 'read');
    for (const { offset, length } of residentExtents(table, 2 ** geometry.chunkShift))
      this.#arena.premap(offset, length);
    this.#bytes = new Uint8Array(viewOf(this.#arena.mapping.address, this.#arena.mapping.byteLength));
  }

  /** @returns undefined when it is refused. */
  borrow(byteLength: number): SocketLease | undefined {
    const reply = this.#call({ op: 'borrow', bytes: byteLength, deadline_ms: 0, contiguous: true });
    if (!reply.ok) return undefined;
    const { lease, offset, tier_bytes } = reply as LeaseReply;
    return { lease, offset: offset!, byteLength, atHand: tier_bytes.peer === 0 };
  }

  /** Writes the first byte: the address is known, and the page is there. */
  touch({ offset }: SocketLease): void {
    this.#bytes[offset] = 1;
  }

  release({ lease }: SocketLease): void {
    this.#call({ op: 'release', lease });
  }

  close(): void {
    fs.closeSync(this.#fd);
    this.#arena.close();
  }

  #call(call: Readonly<Record<string, unknown>>): SessionReply {
    fs.writeSync(this.#fd, `${JSON.stringify(call)}\n`);
    for (;;) {
      const count = fs.readSync(this.#fd, this.#buffer);
      if (count === 0) throw new Error('the agent of the bench closed the connection');
      const [line] = this.#splitter.push(this.#buffer.toString('utf8', 0, count));
      if (line !== undefined) return JSON.parse(line) as SessionReply;
    }
  }
}
