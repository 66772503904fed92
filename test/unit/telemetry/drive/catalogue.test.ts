import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DriveFileInfo, drivesToPrune } from '../../../../src/telemetry/drive/catalogue.ts';

const MINUTE = 60_000;
const NOW = 1e12;

const files = fc.array(
  fc
    .record({ bytes: fc.nat({ max: 1000 }), age: fc.nat({ max: 10_000 }) })
    .map(({ bytes, age }): DriveFileInfo => ({ path: `${age}`, bytes, modifiedMillis: NOW - age * MINUTE })),
  { maxLength: 20 },
);
const total = (all: readonly DriveFileInfo[]): number => all.reduce((sum, { bytes }) => sum + bytes, 0);

test('the oldest go until the rest fits; what may be being written stays', () => {
  fc.assert(
    fc.property(files, fc.nat({ max: 10_000 }), (all, keepBytes) => {
      const gone = drivesToPrune(all, { keepBytes }, NOW);
      const kept = all.filter((file) => !gone.includes(file));
      const youngest = Math.max(...gone.map(({ modifiedMillis }) => modifiedMillis));
      assert.ok(kept.every(({ modifiedMillis }) => modifiedMillis >= youngest || gone.length === 0));
      const inUse = (file: DriveFileInfo): boolean => NOW - file.modifiedMillis < 15 * MINUTE;
      assert.ok(!gone.some(inUse));
      assert.ok(total(kept) <= keepBytes || kept.every(inUse), `${total(kept)} of ${keepBytes}`);
      // No more than needed.
      const last = gone.at(-1);
      if (last) assert.ok(total(kept) + last.bytes > keepBytes);
    }),
  );
});

test('what is older than asked for goes, whatever its size', () => {
  fc.assert(
    fc.property(files, fc.integer({ min: 15, max: 10_000 }), (all, minutes) => {
      const gone = drivesToPrune(all, { keepMillis: minutes * MINUTE }, NOW);
      assert.deepEqual(
        new Set(gone),
        new Set(all.filter(({ modifiedMillis }) => NOW - modifiedMillis > minutes * MINUTE)),
      );
    }),
  );
});
