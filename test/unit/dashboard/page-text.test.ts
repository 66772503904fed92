import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LineSplitter } from '../../../src/dashboard/page/data/lines.ts';
import { panned, spanOf, whole, within, zoomed } from '../../../src/dashboard/page/data/time-window.ts';
import { plainText, shareText } from '../../../src/dashboard/page/data/words.ts';
import { messageLine } from '../../../src/telemetry/drive/format.ts';
import { message } from './lines.ts';

describe('text of a peer', () => {
  it('shows nothing unseen, and is never long', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.integer({ min: 2, max: 40 }), (text, most) => {
        const plain = plainText(text, most);
        assert.ok([...plain].length <= most);
        assert.doesNotMatch(plain, /[\p{Cc}\p{Cf}\u2028\u2029]/u);
      }),
    );
    assert.equal(plainText('a\u202eb\u0007c'), 'a\ufffdb\ufffdc');
    assert.equal([...plainText('x'.repeat(10_240))].length, 64);
    assert.equal(plainText('cluster'), 'cluster');
  });
});

describe('figures in words', () => {
  it('say all or none only when it is', () => {
    assert.deepEqual(
      [shareText(999, 1000), shareText(1, 1000), shareText(0, 1000), shareText(7, 7), shareText(0, 0)],
      ['> 99 %', '< 1 %', '0 %', '100 %', '–'],
    );
  });
});

describe('lines of a drive', () => {
  it('are the same however their bytes are cut', () => {
    const text = `${messageLine(message('event/mark', 'cluster', 0, { source: 'touch', label: 'Straße €𝄞' }))}torn {"`;
    const bytes = new TextEncoder().encode(text);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
        const splitter = new LineSplitter();
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const lines = at.slice(1).flatMap((end, i) => [...splitter.take(bytes.subarray(at[i], end))]);
        lines.push(...splitter.end());
        assert.deepEqual(
          lines.map(({ kind }) => kind),
          ['message', 'bad'],
        );
        assert.ok(lines[0]!.kind === 'message' && lines[0]!.message.payload.label === 'Straße €𝄞');
      }),
    );
  });

  it('that are too long are one bad line each', () => {
    const splitter = new LineSplitter();
    const bytes = new TextEncoder().encode(`${'x'.repeat(200_000)}\n{"drive":9}\n`);
    const kinds = [...splitter.take(bytes.subarray(0, 100_000)), ...splitter.take(bytes.subarray(100_000))];
    assert.deepEqual(
      kinds.map((each) => each.kind === 'bad' && each.reason.slice(0, 9)),
      ['more than', 'version 9'],
    );
  });
});

describe('the window in view', () => {
  const extent = { fromMillis: 0, toMillis: 3_600_000 };

  it('keeps what is under the pointer where it is, when it zooms', () => {
    const window = zoomed({ fromMillis: 1_000_000, toMillis: 2_000_000 }, 0.5, 1_250_000, extent);
    assert.deepEqual(window, { fromMillis: 1_125_000, toMillis: 1_625_000 });
  });

  it('stays with the drive, whatever is asked of it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.double({ min: -4e6, max: 4e6, noNaN: true })), { maxLength: 30 }),
        (steps) => {
          let window = whole(extent);
          for (const [zooms, by] of steps) {
            window = zooms
              ? zoomed(window, Math.exp(by / 2e6), (window.fromMillis + window.toMillis) / 2, extent)
              : panned(window, by, extent);
            assert.ok(spanOf(window) > 0);
            assert.ok(window.toMillis > extent.fromMillis && window.fromMillis < extent.toMillis);
            const held = within(window, extent);
            assert.ok(Math.abs(held.fromMillis - window.fromMillis) < 1, 'it shows as much of the drive as it can');
            assert.ok(Math.abs(spanOf(held) - spanOf(window)) < 1);
          }
        },
      ),
    );
  });
});
