import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textPlot } from '../../../src/evaluation/bench/text-plot.ts';

const plot = (
  points: Parameters<typeof textPlot>[0]['points'],
  levels: Parameters<typeof textPlot>[0]['levels'] = [],
) => textPlot({ points, levels, width: 11, height: 3, formatX: String, formatY: (y) => y.toFixed(0), above: 'over' });

test('marks lie where their values are, y on a logarithmic scale', () => {
  const text = plot([
    { x: 0, y: 100, mark: 'a' },
    { x: 5, y: 10, mark: 'b' },
    { x: 10, y: 1, mark: 'c' },
  ]);
  assert.equal(text, ['100 │a', ' 10 │     b', '  1 │          c', '    └───────────', '     0        10'].join('\n'));
});

test('what no scale has room for lies on a line of its own', () => {
  const text = plot([
    { x: 10, y: 'above', mark: 'x' },
    { x: 10, y: 5, mark: 'y' },
  ]);
  assert.equal(text.split('\n')[0], 'over │          x');
  assert.equal(text.split('\n')[3], '   5 │          y');
});

test('a level crosses the plot with its name, under the marks', () => {
  const text = plot(
    [{ x: 0, y: 1, mark: 'a' }],
    [
      { y: 100, line: '-', name: 'level' },
      { y: 1, line: '.', name: 'low' },
    ],
  );
  assert.equal(text.split('\n')[0], '100 │----------- level');
  assert.equal(text.split('\n')[2], '  1 │a.......... low');
});

test('nothing to draw is nothing', () => {
  assert.equal(plot([]), '');
  assert.equal(plot([{ x: 1, y: 'above', mark: 'x' }]), '');
});
