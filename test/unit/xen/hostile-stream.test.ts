/** Whatever answers in xenstored's place: every request ends, nothing crashes, nothing piles up. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MemtideError } from '../../../src/errors.ts';
import type { ByteReceiver, ByteStream } from '../../../src/xen/xenstore/byte-stream.ts';
import { type Reply, XenstoreConnection } from '../../../src/xen/xenstore/connection.ts';
import { XenstoreOperations } from '../../../src/xen/xenstore/operations.ts';
import { encodeMessage, nulEnded, XS } from '../../../src/xen/xenstore/wire.ts';

/** A peer that the test speaks for. */
class ScriptedStream implements ByteStream {
  readonly path = 'script';
  readonly maxPayloadBytes = 4096;
  readonly sent: Buffer[] = [];
  closed = false;
  peer!: ByteReceiver;
  /** Called with each message that is sent. */
  onSend: (message: Buffer) => void = () => {};

  start(receiver: ByteReceiver): void {
    this.peer = receiver;
  }
  send(message: Uint8Array): void {
    this.sent.push(Buffer.from(message));
    this.onSend(this.sent.at(-1)!);
  }
  async close(): Promise<void> {
    this.closed = true;
  }
}

function connected() {
  const stream = new ScriptedStream();
  const losses: MemtideError[] = [];
  const events: string[] = [];
  const connection = new XenstoreConnection(stream, {
    watchEvent: (path, token) => events.push(`${path} ${token}`),
    lost: (error) => losses.push(error),
  });
  return { stream, connection, losses, events };
}

const reply = (type: number, requestId: number, payload: Buffer): Buffer =>
  encodeMessage({ type, requestId, transactionId: 0, payload });
const header = (type: number, requestId: number, length: number): Buffer => {
  const words = reply(type, requestId, Buffer.alloc(0));
  words.writeUInt32LE(length, 12);
  return words;
};

const faults: ReadonlyArray<readonly [name: string, bytes: Buffer, says: RegExp]> = [
  ['an answer to another request', reply(XS.read, 99, nulEnded('x')), /answer to request 1\n.*one to request 99/],
  ['an answer of another type', reply(XS.write, 1, nulEnded('OK')), /answer to READ\n.*one to WRITE/],
  ['an answer of a type that does not exist', reply(0xffff, 1, nulEnded('OK')), /one to type 65535/],
  ['a length above 4096', header(XS.read, 1, 4097), /at most 4096 bytes\n.*4097/],
  ['a length of 4 GiB', header(XS.read, 1, 0xffff_ffff), /4294967295/],
  ['an error without a name', reply(XS.error, 1, nulEnded('')), /the name of an error/],
  ['an error with a strange name', reply(XS.error, 1, nulEnded('rm -rf')), /the name of an error/],
  ['an error that does not end', reply(XS.error, 1, Buffer.from('ENOENT')), /the name of an error/],
  ['an event without a token', reply(XS.watchEvent, 0, nulEnded('/a')), /path and token/],
];

describe('a connection to xenstored', () => {
  for (const [name, bytes, says] of faults) {
    it(`ends on ${name}, and says so`, async () => {
      const { stream, connection, losses } = connected();
      const asked = connection.request(XS.read, nulEnded('/a'));
      const queued = connection.request(XS.read, nulEnded('/b'));
      stream.peer.data(bytes);
      await assert.rejects(asked, MemtideError);
      await assert.rejects(queued, MemtideError);
      assert.match(losses[0]!.message, says);
      assert.deepEqual([losses.length, stream.closed, stream.sent.length], [1, true, 1]);
      stream.peer.data(bytes); // too late, and no matter
      stream.peer.ended('late');
      await assert.rejects(connection.request(XS.read, nulEnded('/a')), MemtideError);
      assert.equal(losses.length, 1);
    });
  }

  it('ends on an answer that nobody asked for', () => {
    const { stream, losses } = connected();
    stream.peer.data(reply(XS.read, 0, nulEnded('x')));
    assert.match(losses[0]!.message, /READ unasked/);
  });

  it('says when it was cut in the middle of a message', async () => {
    const { stream, connection, losses } = connected();
    const asked = connection.request(XS.read, nulEnded('/a'));
    stream.peer.data(header(XS.read, 1, 4).subarray(0, 9));
    stream.peer.ended('xenstored closed the connection');
    await assert.rejects(asked, /READ/);
    assert.match(losses[0]!.message, /closed the connection, 9 bytes into a message/);
  });

  it('takes an event by its type, whatever its ids are', async () => {
    const { stream, connection, events } = connected();
    const asked = connection.request(XS.read, nulEnded('/a'));
    stream.peer.data(reply(XS.watchEvent, 0xdead_beef, nulEnded('/a/b', 'token')));
    stream.peer.data(reply(XS.read, 1, Buffer.from('value')));
    assert.deepEqual([await asked, events], [{ ok: true, payload: Buffer.from('value') }, ['/a/b token']]);
  });

  it('takes the answer to a watch with a req_id of 0, as older kernels send it', async () => {
    const { stream, connection } = connected();
    const asked = connection.request(XS.watch, nulEnded('/a', 'token'));
    stream.peer.data(reply(XS.watch, 0, nulEnded('OK')));
    assert.equal((await asked).ok, true);
  });

  it('asks one thing at a time, and goes on after a message that was refused', async () => {
    const { stream, connection } = connected();
    const first = connection.request(XS.watch, nulEnded('/a', 't'));
    const second = connection.request(XS.read, nulEnded('/a'));
    assert.equal(stream.sent.length, 1);
    stream.peer.refused('EEXIST');
    assert.deepEqual(await first, { ok: false, code: 'EEXIST' });
    assert.equal(stream.sent.length, 2);
    stream.peer.data(reply(XS.read, 2, Buffer.from('x')));
    assert.equal((await second).ok, true);
  });

  it('survives any bytes, however they are cut', async () => {
    const u32 = fc.oneof(fc.nat({ max: 30 }), fc.nat({ max: 0xffff_ffff }));
    const frame = fc
      .tuple(u32, u32, fc.oneof(fc.nat({ max: 64 }), u32), fc.uint8Array({ maxLength: 64 }))
      .map(([type, id, length, payload]) => Buffer.concat([header(type, id, length), payload]));
    const garbage = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(frame, garbage), { maxLength: 6 }), fc.nat(), async (parts, seed) => {
        const { stream, connection, losses } = connected();
        const asked = [1, 2, 3].map(() => settled(connection.request(XS.read, nulEnded('/a'))));
        const bytes = Buffer.concat(parts);
        const step = 1 + (seed % 37);
        for (let at = 0; at < bytes.length; at += step) stream.peer.data(bytes.subarray(at, at + step));
        stream.peer.ended('the end');
        await Promise.all(asked);
        assert.equal(losses.length, 1);
      }),
      { numRuns: 300 },
    );
  });

  it('gives up on a listing whose parts have no end', async () => {
    let asked = 0;
    const store = new XenstoreOperations(async (type) => {
      assert.ok(asked++ < 10_000, 'asks without end');
      return type === XS.directory ? { ok: false, code: 'E2BIG' } : { ok: true, payload: nulEnded('1', 'a') };
    });
    await assert.rejects(store.list('/a'), MemtideError);
  });

  it('gives no operation a reason to hang, whatever payload it is answered with', async () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
      fc.array(fc.constantFrom('', '0', '1', 'a', 'n0', 'OK', 'T'), { maxLength: 4 }).map((s) => nulEnded(...s)),
    );
    const answer: fc.Arbitrary<Reply> = fc.oneof(
      payload.map((bytes) => ({ ok: true as const, payload: bytes })),
      fc.constantFrom('ENOENT', 'EACCES', 'E2BIG', 'EAGAIN', 'EX').map((code) => ({ ok: false as const, code })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { minLength: 1, maxLength: 5 }), async (answers) => {
        let asked = 0;
        const store = new XenstoreOperations(async () => {
          assert.ok(asked < 10_000, 'asks without end');
          return answers[Math.min(asked++, answers.length - 1)]!; // the last one without end
        });
        for (const act of [
          () => store.look('/a'),
          () => store.read('/a'),
          () => store.list('/a'),
          () => store.permissions('/a'),
          () => store.write('/a', ''),
          () => store.remove('/a'),
        ]) {
          asked = 0;
          const outcome = await settled(act());
          assert.ok(!(outcome instanceof Error) || outcome instanceof MemtideError, String(outcome));
        }
      }),
      { numRuns: 300 },
    );
  });
});

const settled = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);
