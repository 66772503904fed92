import assert from 'node:assert/strict';
import { test } from 'node:test';
import { libgpiodMajor, parseGpiodetect } from '../../../src/board/gpio-programs.ts';

test('the version is read from what gpioset 1.6.3 and 2.2.1 print', () => {
  assert.equal(libgpiodMajor('gpioset (libgpiod) v1.6.3\nCopyright (C) 2017-2018 Bartosz Golaszewski\n'), 1);
  assert.equal(libgpiodMajor('gpioset (libgpiod) v2.2.1\nCopyright (C) 2017-2024 Bartosz Golaszewski\n'), 2);
  assert.equal(libgpiodMajor('BusyBox v1.36.1 multi-call binary.\n'), undefined);
});

test('chips are read from gpiodetect, labels with spaces and brackets too', () => {
  assert.deepEqual(parseGpiodetect('gpiochip0 [pinctrl-rp1] (54 lines)\ngpiochip10 [odd [label] x] (1 lines)\n'), [
    { name: 'gpiochip0', label: 'pinctrl-rp1', lines: 54 },
    { name: 'gpiochip10', label: 'odd [label] x', lines: 1 },
  ]);
  assert.deepEqual(parseGpiodetect(''), []);
});
