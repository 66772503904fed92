import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  encodeHeader,
  encodeRecord,
  firstOf,
  HEADER_BYTES,
  type StoredRecord,
  scanSegment,
  segmentName,
} from '../../../../src/telemetry/spool/segment-format.ts';

const SPOOL = '00112233445566aa';
const BOOT = '8d2d4f2e-5f63-4d2c-9f51-6a0c7c3d8b11';

const header = fc.record({
  first: fc.integer({ min: 1, max: 2 ** 50 }),
  spoolId: fc.constant(SPOOL),
  bootId: fc.constantFrom(BOOT, 'process-x'),
});
const text = fc.record({
  kind: fc.constantFrom('message' as const, 'gap' as const),
  leaf: fc.constantFrom('tele/mem', 'event/burst', 'ü'),
  content: fc.string({ unit: 'grapheme', maxLength: 60 }),
});
const segment = fc.record({ header, texts: fc.array(text, { maxLength: 12 }) }).map(({ header, texts }) => {
  const { bytes, seed } = encodeHeader(header);
  const records = texts.map((each, i): StoredRecord => ({ ...each, seq: header.first + i }));
  const frames = records.map((record) => encodeRecord(record, seed));
  // Where each record ends.
  const ends = frames.map((_, i) => HEADER_BYTES + frames.slice(0, i + 1).reduce((sum, { length }) => sum + length, 0));
  return { header, records, ends, bytes: Buffer.concat([bytes, ...frames]) };
});
type Sample = typeof segment extends fc.Arbitrary<infer T> ? T : never;

function scan(bytes: Buffer) {
  const records: StoredRecord[] = [];
  return { found: scanSegment(bytes, (record) => records.push(record)), records };
}

const before = ({ records, ends }: Sample, place: number): StoredRecord[] =>
  records.filter((_, i) => ends[i]! <= place);

test('a segment is read as it was written', () => {
  fc.assert(
    fc.property(segment, (sample) => {
      const { found, records } = scan(sample.bytes);
      assert.deepEqual(records, sample.records);
      assert.deepEqual(found?.header.first, sample.header.first);
      assert.deepEqual(
        { ...found, header: undefined },
        { header: undefined, records: records.length, goodBytes: sample.bytes.length, end: 'clean' },
      );
    }),
  );
});

test('cut at any of 1,000 places: every whole record before it is recovered, none invented, and it is no damage', () => {
  fc.assert(
    fc.property(segment, fc.double({ min: 0, max: 1, noNaN: true }), (sample, at) => {
      const place = Math.floor(at * sample.bytes.length);
      const { found, records } = scan(sample.bytes.subarray(0, place));
      if (place < HEADER_BYTES) {
        assert.equal(found, undefined);
        return;
      }
      const whole = before(sample, place);
      assert.deepEqual(records, whole);
      assert.equal(found!.goodBytes, sample.ends[whole.length - 1] ?? HEADER_BYTES);
      assert.equal(found!.end, found!.goodBytes === place ? 'clean' : 'torn');
    }),
    { numRuns: 1000 },
  );
});

test('corrupted from any of 1,000 places on: every whole record before it is recovered, none invented', () => {
  const damage = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    // At least one bit of the first byte changes; what follows is anything.
    flip: fc.integer({ min: 1, max: 255 }),
    rest: fc.uint8Array({ maxLength: 64 }),
  });
  fc.assert(
    fc.property(segment, damage, (sample, { at, flip, rest }) => {
      const place = Math.floor(at * sample.bytes.length);
      const bytes = Buffer.from(sample.bytes);
      bytes[place]! ^= flip;
      bytes.set(rest.subarray(0, bytes.length - place - 1), place + 1);
      const { found, records } = scan(bytes);
      if (place < HEADER_BYTES) {
        assert.equal(found, undefined);
        assert.deepEqual(records, []);
        return;
      }
      assert.deepEqual(records, before(sample, place));
      assert.notEqual(found!.end, 'clean');
    }),
    { numRuns: 1000 },
  );
});

test('records of another segment are not taken for its own, whatever stood on the disk before', () => {
  const record: StoredRecord = { seq: 7, kind: 'message', leaf: 'tele/mem', content: '{}' };
  const of = (first: number, spoolId: string, bootId: string) => encodeHeader({ first, spoolId, bootId });
  const here = of(7, SPOOL, BOOT);
  for (const other of [of(6, SPOOL, BOOT), of(7, SPOOL.replace('a', 'b'), BOOT), of(7, SPOOL, 'another-boot')]) {
    assert.deepEqual(scan(Buffer.concat([here.bytes, encodeRecord(record, other.seed)])).records, []);
  }
  assert.deepEqual(scan(Buffer.concat([here.bytes, encodeRecord(record, here.seed)])).records, [record]);
});

test('zeros after the last record are what a file system leaves, and no damage', () => {
  const { bytes } = encodeHeader({ first: 1, spoolId: SPOOL, bootId: BOOT });
  assert.equal(scan(Buffer.concat([bytes, Buffer.alloc(500)])).found?.end, 'torn');
});

test('names sort as numbers do', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 50 })), (numbers) => {
      const sorted = numbers.map(segmentName).sort().map(firstOf);
      assert.deepEqual(
        sorted,
        [...numbers].sort((a, b) => a - b),
      );
    }),
  );
  assert.equal(firstOf('cursor'), undefined);
});
