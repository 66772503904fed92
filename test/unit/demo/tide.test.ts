import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { drawTide } from '../../../src/demo/tide.ts';

describe('the tide picture', () => {
  it('begins each row where the one above ends', () => {
    const rows = [
      {
        segments: [
          { glyph: 'a', bytes: 2 },
          { glyph: 'b', bytes: 1 },
        ],
      },
      { segments: [{ glyph: '.', bytes: 4 }] },
      { segments: [{ glyph: 'c', bytes: 3 }] },
    ];
    assert.deepEqual(drawTide(rows, 10, 10), ['aab       ', '   ....   ', '       ccc']);
  });

  it('never leaves its width, and never draws two holders in one column', () => {
    const row = fc.record({
      segments: fc.array(fc.record({ glyph: fc.constantFrom('a', 'b'), bytes: fc.nat(1000) }), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 5 }),
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 1, max: 120 }),
        (rows, total, width) => {
          const drawn = drawTide(rows, total, width);
          for (const line of drawn) assert.equal(line.length, width);
          for (let column = 0; column < width; column++) {
            assert.ok(drawn.filter((line) => line[column] !== ' ').length <= 1);
          }
        },
      ),
    );
  });
});
