import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrawMeter } from '../../../src/agent/draw-meter.ts';

test('the rise within the window, from its lowest point', () => {
  const meter = new DrawMeter(500);
  assert.equal(meter.observe(100, 0), 0);
  assert.equal(meter.observe(130, 100), 30);
  assert.equal(meter.observe(90, 200), 0, 'a fall is no draw');
  assert.equal(meter.observe(150, 300), 60);
  assert.equal(meter.observe(160, 750), 10, 'what was before the window is forgotten');
});
