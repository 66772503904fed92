import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseChip, readGpioChips } from '../../../src/board/gpio-chips.ts';
import { addChip, temporaryRoot } from './gpio-fixture.ts';

test('chips are read with label, base and size, whatever their base is', (t) => {
  const root = temporaryRoot(t);
  addChip(root, 570, 'raspberrypi-exp-gpio', 8);
  addChip(root, 512, 'pinctrl-bcm2711', 58);
  assert.deepEqual(readGpioChips(root), {
    ok: true,
    chips: [
      { label: 'pinctrl-bcm2711', base: 512, lines: 58 },
      { label: 'raspberrypi-exp-gpio', base: 570, lines: 8 },
    ],
  });
});

test('a kernel without sysfs GPIO is told apart from a fault', (t) => {
  const result = readGpioChips(temporaryRoot(t));
  assert.ok(!result.ok);
  assert.equal(result.code, 'ENOENT');
  assert.match(result.reason, /CONFIG_GPIO_SYSFS/);
});

test('a line is found by label and must lie on its chip', () => {
  const chips = [
    { label: 'a', lines: 4 },
    { label: 'b', lines: 8 },
    { label: 'b', lines: 8 },
  ];
  assert.deepEqual(chooseChip(chips, 'a', 3), { ok: true, chip: chips[0] });
  const reason = (label: string, line: number) => {
    const choice = chooseChip(chips, label, line);
    return choice.ok ? 'chosen' : choice.reason;
  };
  assert.match(reason('a', 4), /lines 0 to 3, not 4/);
  assert.match(reason('b', 0), /2 GPIO chips are labelled b/);
  assert.match(reason('c', 0), /labelled c \(present: a, b, b\)/);
});
