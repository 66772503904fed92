import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { DriveHistory } from '../../../src/dashboard/server/drive-history.ts';

const lineOf = (number: number): string => `${JSON.stringify({ number, filler: 'x'.repeat(90) })}\n`;
async function contentOf(history: DriveHistory): Promise<string> {
  let text = '';
  for await (const block of history.content()) text += block;
  return text;
}

describe('the history of a live drive', () => {
  it('gives back every line in order, packed or not', async () => {
    const history = new DriveHistory({ blockBytes: 2000 });
    const lines = Array.from({ length: 500 }, (_, i) => lineOf(i));
    for (const line of lines) history.append(line);
    assert.equal(await contentOf(history), lines.join(''));
    await pause(50);
    assert.equal(await contentOf(history), lines.join(''));
    assert.deepEqual([history.first, history.next], [0, 500]);
  });

  it('knows what a page has missed, for as long as it has the lines at hand', () => {
    const history = new DriveHistory({ blockBytes: 1000 });
    for (let i = 0; i < 30; i++) history.append(lineOf(i));
    assert.deepEqual(history.since(28), [lineOf(28), lineOf(29)]);
    assert.deepEqual(history.since(30), []);
    assert.equal(history.since(31), undefined);
    assert.equal(history.since(0), undefined);
    assert.equal(history.since(Number.NaN), undefined);
    for (let from = 0; from <= 30; from++) {
      const missed = history.since(from);
      if (missed)
        assert.deepEqual(
          missed,
          Array.from({ length: 30 - from }, (_, i) => lineOf(from + i)),
        );
    }
  });

  it('lets the oldest go when there is no room, and says from where on it is whole', async () => {
    const history = new DriveHistory({ blockBytes: 1000, maxBytes: 1500 });
    for (let i = 0; i < 5000; i++) {
      history.append(lineOf(i));
      if (i % 50 === 0) await pause(1);
    }
    while (history.first === 0) await pause(5);
    const { first } = history;
    assert.ok(first > 0 && first < 5000);
    assert.ok((await contentOf(history)).startsWith(lineOf(first)));
  });
});
