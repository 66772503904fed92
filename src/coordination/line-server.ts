import type net from 'node:net';
import { LineSplitter } from './session-protocol.ts';

/**
 * One JSON object a line over a Unix socket, served so that no client, whatever it sends and however fast, holds up the
 * others or makes the agent grow.
 */

/** Lines of one client that are served before the others have their turn. */
const LINES_A_TURN = 32;
/** What a client may leave unread, beyond what the kernel's buffers hold. */
const MAX_UNREAD_BYTES = 256 * 1024;
/** How long a client whose connection is being ended has time to read why. */
const FAREWELL_MILLIS = 1000;

/** Why a connection was ended from this side. */
export type LineFault = 'garbage' | 'slow-reader';

/** The serving end of one connection. */
export interface LineConnection {
  /** Says something unasked. */
  say(message: unknown): void;
  /** Says one last thing; what the peer sends from now on is not looked at. */
  end(lastWord: unknown): void;
}

/**
 * Serves one connection: a line in, at most a line out. What is no JSON object with an `op` ends the connection, after
 * saying so; a peer that does not read loses it without a word.
 * The calls are as hostile as their sender: `answer` checks every field that it uses.
 */
export function serveLines<Call extends { readonly op: string }, Reply>(
  socket: net.Socket,
  answer: (call: Call) => Reply | undefined | Promise<Reply | undefined>,
  onFault: (fault: LineFault) => void = () => {},
): LineConnection {
  const splitter = new LineSplitter();
  let lines: string[] = [];
  let over = false;

  const say = (message: unknown): void => {
    if (message === undefined || over || !socket.writable) return;
    socket.write(`${JSON.stringify(message)}\n`);
    if (socket.writableLength <= MAX_UNREAD_BYTES) return;
    over = true;
    onFault('slow-reader');
    socket.destroy();
  };
  const end = (lastWord: unknown): void => {
    if (over) return;
    say(lastWord);
    over = true;
    socket.end();
    const timer = setTimeout(() => socket.destroy(), FAREWELL_MILLIS);
    timer.unref();
    socket.once('close', () => clearTimeout(timer));
  };
  const refuse = (error: unknown): void => {
    if (over) return;
    onFault('garbage');
    end({ ok: false, error: `not understood: ${(error as Error).message}` });
  };
  const serve = (line: string): void => {
    const call = JSON.parse(line) as Call;
    if (typeof call !== 'object' || call === null || typeof call.op !== 'string') throw new SyntaxError('no "op"');
    const reply = answer(call);
    if (reply instanceof Promise) void reply.then(say, (error: Error) => say({ ok: false, error: error.message }));
    else say(reply);
  };
  /** Serves what has come, a turn at a time; nothing more is read until then. */
  const serveTurn = (): void => {
    const turn = lines.splice(0, LINES_A_TURN);
    try {
      for (const line of turn) if (line !== '' && !over) serve(line);
    } catch (error) {
      refuse(error);
    }
    if (over) lines = [];
    if (lines.length === 0) {
      socket.resume();
      return;
    }
    socket.pause();
    setImmediate(serveTurn);
  };

  socket.setEncoding('utf8');
  socket.on('error', () => {}); // 'close' follows
  socket.on('data', (text: string) => {
    if (over) return;
    const idle = lines.length === 0;
    try {
      lines.push(...splitter.push(text));
    } catch (error) {
      refuse(error);
      return;
    }
    if (idle) serveTurn();
  });
  return { say, end };
}
