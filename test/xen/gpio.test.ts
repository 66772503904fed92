/** The burst marker on the board's GPIO chip, found by its label, driven through onoff. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { openOutput, systemGpio } from '../../src/board/gpio.ts';
import { loadBoard } from '../../src/board/load-profile.ts';
import { packageRoot } from '../../src/package-root.ts';
import { ON_BOARD } from './guests.ts';

const COMPILED = path.join(packageRoot(), 'node_modules/epoll/build/Release/epoll.node');
const skip = ON_BOARD.skip || (fs.existsSync(COMPILED) ? false : 'onoff was not compiled where the image was built');

describe('burst marker', { skip }, () => {
  test('goes high and low, as the chip itself says', async () => {
    const { gpio } = loadBoard(path.join(packageRoot(), 'boards'), 'qemu/virt-arm64');
    const marker = gpio.burst_marker!;
    const opened = await openOutput(marker, (reason) => assert.fail(String(reason)), systemGpio(process.env));
    assert.ok(opened.ok, opened.ok ? '' : opened.reason);
    // The chip's own number is nowhere in the profile: it is looked up here a second way.
    const chip = fs
      .readdirSync('/sys/class/gpio')
      .filter((name) => name.startsWith('gpiochip'))
      .find((name) => fs.readFileSync(`/sys/class/gpio/${name}/label`, 'utf8').trim() === marker.chip_label)!;
    const base = Number(fs.readFileSync(`/sys/class/gpio/${chip}/base`, 'utf8'));
    const level = (): string => fs.readFileSync(`/sys/class/gpio/gpio${base + marker.line}/value`, 'utf8').trim();
    assert.equal(level(), '0');
    for (const value of [1, 0, 1, 0] as const) {
      opened.line.set(value);
      assert.equal(level(), String(value));
    }
    await opened.line.close();
  });
});
