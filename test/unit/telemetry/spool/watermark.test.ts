import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { watermarkSchema } from '../../../../src/telemetry/schema.ts';
import { readWatermark } from '../../../../src/telemetry/spool/watermark.ts';

const SPOOL = '00112233445566aa';
const read = (value: unknown) => readWatermark(Buffer.from(JSON.stringify(value)), SPOOL, 100);

test('a watermark is read, with the ranges that are missing', () => {
  assert.deepEqual(read({ spool: SPOOL, watermark: 7, later: true }), { ok: true, said: { watermark: 7 } });
  const missing = [
    [8, 9],
    [20, 20],
  ];
  assert.deepEqual(read({ v: 1, spool: SPOOL, watermark: 7, missing }), { ok: true, said: { watermark: 7, missing } });
});

test('what no sink of this spool can say is not believed', () => {
  const refused: unknown[] = [
    null,
    [],
    { watermark: 7 },
    { spool: 'ffffffffffffffff', watermark: 7 },
    { spool: SPOOL, watermark: 101 },
    { spool: SPOOL, watermark: -1 },
    { spool: SPOOL, watermark: 1.5 },
    { spool: SPOOL, watermark: '7' },
    { v: 2, spool: SPOOL, watermark: 7 },
    { spool: SPOOL, watermark: 7, missing: [[7, 9]] },
    { spool: SPOOL, watermark: 7, missing: [[9, 8]] },
    { spool: SPOOL, watermark: 7, missing: [[9, 101]] },
    { spool: SPOOL, watermark: 7, missing: [9] },
    { spool: SPOOL, watermark: 7, missing: Array(65).fill([8, 9]) },
    { spool: SPOOL, watermark: 7, padding: 'x'.repeat(5000) },
  ];
  for (const value of refused) assert.equal(read(value).ok, false, JSON.stringify(value).slice(0, 80));
  assert.equal(readWatermark(Buffer.from('{"spool'), SPOOL, 100).ok, false);
});

test('whatever arrives is read or refused, and what is read satisfies the published schema', () => {
  const value = fc.oneof(
    fc.json(),
    fc
      .record(
        {
          v: fc.constantFrom(1, 2),
          spool: fc.constantFrom(SPOOL, 'x'),
          watermark: fc.oneof(fc.integer({ min: -2, max: 120 }), fc.double()),
          missing: fc.array(fc.array(fc.integer({ min: 0, max: 110 }), { maxLength: 3 }), { maxLength: 3 }),
        },
        { requiredKeys: ['watermark'] },
      )
      .map((each) => JSON.stringify(each)),
  );
  fc.assert(
    fc.property(value, (text) => {
      const result = readWatermark(Buffer.from(text), SPOOL, 100);
      if (result.ok) assert.equal(watermarkSchema.safeParse(JSON.parse(text)).success, true);
    }),
  );
});
