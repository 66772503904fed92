import type net from 'node:net';
import type { Geometry } from '../control/layout.ts';
import type { ArenaSource } from '../platforms/arena/arena-file.ts';
import type { Extent } from '../platforms/contracts.ts';
import type { Mode } from '../records.ts';
import type { PairLimits } from './backend-plane.ts';
import { LineSplitter } from './session-protocol.ts';

/**
 * What a front end and the back end of one machine say to each other on the slow plane: one JSON object a line over the
 * back end's Unix socket. Requests for arena memory do not come this way; they go through the control file.
 */

/** Front end to back end. */
export type BackendCall =
  | { readonly op: 'hello'; readonly domain: string; readonly pid: number }
  /** How the domain's unmodified programs are, several times a second; no answer. */
  | {
      readonly op: 'report';
      readonly usedBytes: number;
      readonly limitBytes: number;
      /** What they should be allowed to hold soon. */
      readonly wantedBytes: number;
      readonly programs: number;
      readonly pressured: boolean;
    }
  /** A burst that was served: the back end sizes reserve and pool from these. */
  | { readonly op: 'burst'; readonly bytes: number; readonly atMicros: number; readonly totalMicros: number }
  /** The budget has moved by `changeBytes`, in answer to a notice; 0 when it was refused. */
  | { readonly op: 'moved'; readonly id: number; readonly changeBytes: number; readonly limitBytes: number }
  | { readonly op: 'status' };

/** Back end to front end. */
export type BackendReply =
  | { readonly ok: true; readonly hello: FrontendWelcome }
  | { readonly ok: true; readonly status: unknown }
  | { readonly ok: false; readonly error: string };

/** What the back end says unasked. */
export type BackendNotice =
  /** How much reserve the joint distribution of all bursts asks of this domain. */
  | { readonly notice: 'reserve'; readonly bytes: number }
  /** The budget of the domain's programs is to change; donors do so before recipients are told. */
  | { readonly notice: 'budget'; readonly id: number; readonly changeBytes: number };

export interface FrontendWelcome {
  readonly domain: string;
  readonly pairId: number;
  readonly domainDirectory: string;
  readonly backendBell: string;
  readonly keep: string;
  readonly arena: ArenaSource;
  readonly geometry: Geometry;
  readonly doorbell: 'futex' | 'fifo';
  readonly mode: Mode;
  readonly limits: PairLimits;
  readonly resident: readonly Extent[];
  /** Where the embedded broker listens; absent when there is none. */
  readonly brokerUrl?: string;
}

/**
 * Serves one connection: a line in, at most a line out. What is no JSON object ends the connection, after saying so.
 * The calls are as hostile as their sender: `answer` checks every field that it uses.
 */
export function serveLines<Call extends { readonly op: string }, Reply>(
  socket: net.Socket,
  answer: (call: Call) => Reply | undefined | Promise<Reply | undefined>,
): void {
  const splitter = new LineSplitter();
  const say = (reply: unknown): void => {
    if (reply !== undefined && !socket.destroyed) socket.write(`${JSON.stringify(reply)}\n`);
  };
  socket.setEncoding('utf8');
  socket.on('error', () => {}); // 'close' follows
  socket.on('data', (text: string) => {
    try {
      for (const line of splitter.push(text)) {
        if (line === '') continue;
        const call = JSON.parse(line) as Call;
        if (typeof call !== 'object' || call === null || typeof call.op !== 'string') throw new SyntaxError('no "op"');
        const reply = answer(call);
        if (reply instanceof Promise) void reply.then(say, (error: Error) => say({ ok: false, error: error.message }));
        else say(reply);
      }
    } catch (error) {
      say({ ok: false, error: `not understood: ${(error as Error).message}` });
      socket.end();
    }
  });
}
