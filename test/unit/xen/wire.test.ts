import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { pathProblem } from '../../../src/xen/xenstore/paths.ts';
import { formatPermission, parsePermission } from '../../../src/xen/xenstore/permissions.ts';
import {
  encodeMessage,
  HEADER_BYTES,
  type Message,
  MessageReader,
  nameOfType,
  nulEnded,
  PAYLOAD_MAX_BYTES,
  stringsOf,
  XS,
} from '../../../src/xen/xenstore/wire.ts';

const u32 = fc.nat({ max: 0xffff_ffff });
const message: fc.Arbitrary<Message> = fc.record(
  {
    type: u32,
    requestId: u32,
    transactionId: u32,
    payload: fc.uint8Array({ maxLength: PAYLOAD_MAX_BYTES, size: 'max' }).map((bytes) => Buffer.from(bytes)),
  },
  { noNullPrototype: true },
);

/** `bytes` cut at the given places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

describe('the wire format of xenstore', () => {
  it('is that of xs_wire.h', () => {
    const read = encodeMessage({ type: XS.read, requestId: 7, transactionId: 0x01020304, payload: nulEnded('/tool') });
    assert.equal(read.toString('hex'), '02000000070000000403020106000000' + '2f746f6f6c00');
    assert.equal(nameOfType(XS.transactionStart), 'TRANSACTION_START');
    assert.equal(nameOfType(4711), 'type 4711');
  });

  it('comes back whole however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (sent, cuts) => {
        const reader = new MessageReader();
        const received = pieces(Buffer.concat(sent.map(encodeMessage)), cuts).flatMap((piece) => [
          ...reader.push(piece),
        ]);
        assert.deepEqual(received, sent);
        assert.equal(reader.unfinishedBytes, 0);
      }),
      { numRuns: 200 },
    );
  });

  it('keeps no more than one message of whatever garbage arrives, and refuses a length above 4096', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 5000, size: 'max' }), { maxLength: 8 }), (chunks) => {
        const reader = new MessageReader();
        try {
          for (const chunk of chunks) for (const { payload } of reader.push(chunk)) assert.ok(payload.length <= 4096);
        } catch (error) {
          assert.match((error as Error).message, /at most 4096 bytes/);
        }
        assert.ok(reader.unfinishedBytes <= HEADER_BYTES + PAYLOAD_MAX_BYTES);
      }),
    );
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32LE(4097, 12);
    assert.throws(() => [...new MessageReader().push(header)], /says 4097/);
  });

  it('reads strings only where the last one is ended', () => {
    assert.deepEqual(stringsOf(nulEnded('a', '', 'b')), ['a', '', 'b']);
    assert.deepEqual(stringsOf(Buffer.alloc(0)), []);
    assert.equal(stringsOf(Buffer.from('a\0b')), undefined);
  });
});

describe('a path of xenstore', () => {
  const problems: ReadonlyArray<readonly [path: string, problem: RegExp | undefined]> = [
    ['/', undefined],
    ['/local/domain/0/data_x/a-b@c', undefined],
    ['data/memtide', undefined],
    [`/${'a'.repeat(3071)}`, undefined],
    ['a'.repeat(2048), undefined],
    ['', /empty/],
    ['/a//b', /doubled/],
    ['/a/', /ends in/],
    ['/a b', /character/],
    ['/ä', /character/],
    ['/a\0', /character/],
    ['@releaseDomain', /watched/],
    [`/${'a'.repeat(3072)}`, /3073 bytes, and 3072/],
    ['a'.repeat(2049), /2049 bytes, and 2048/],
  ];
  for (const [path, problem] of problems) {
    const shown = JSON.stringify(path.length > 40 ? `${path.slice(0, 8)}… (${path.length})` : path);
    it(`${problem ? 'is not' : 'is'} ${shown}`, () => {
      const found = pathProblem(path);
      if (problem) assert.match(found ?? 'nothing', problem);
      else assert.equal(found, undefined);
    });
  }

  it('may be special where it is watched', () => {
    assert.equal(pathProblem('@releaseDomain', { special: true }), undefined);
  });
});

describe('a permission', () => {
  it('is a letter and a domain', () => {
    for (const text of ['n0', 'r5', 'w65535', 'b12']) assert.equal(formatPermission(parsePermission(text)!), text);
    for (const text of ['', 'r', 'x1', 'r65536', 'r-1', 'r1 ']) assert.equal(parsePermission(text), undefined);
  });
});
