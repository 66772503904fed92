import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { listBoards, loadBoard, parseBoard } from '../../../src/board/load-profile.ts';
import { MemtideError } from '../../../src/errors.ts';
import { repositoryRoot } from '../../architecture/source-tree.ts';
import { temporaryRoot, write } from './gpio-fixture.ts';

const boards = path.join(repositoryRoot(), 'boards');

const wired = {
  vendor: 'acme',
  name: 'one',
  title: 'Acme One',
  verified: 'none',
  verified_how: 'written from its data sheet',
  architectures: ['arm64'],
  hypervisor: 'xen',
  memory: { total_mib: 2048, control_domain_mib: 512, domain_floor_mib: 64 },
  gpio: {
    burst_marker: { chip_label: 'pinctrl-bcm2711', line: 17 },
    mark_button: { chip_label: 'pinctrl-bcm2711', line: 27, active_low: true },
  },
  i2c: [{ kind: 'ina219', name: 'supply', bus: 1, address: '0x40', shunt_milliohm: 100 }],
};

/** The lines of the error that say what was found. */
function refusal(change: object): string {
  try {
    parseBoard(JSON.stringify({ ...wired, ...change }), 'board.json');
  } catch (error) {
    assert.ok(error instanceof MemtideError);
    return error.detail.actual ?? '';
  }
  return 'accepted';
}

test('every board of the repository is valid and has a README with its limitations', () => {
  const names = listBoards(boards);
  assert.ok(names.includes('generic/linux'));
  for (const name of names) {
    const profile = loadBoard(boards, name);
    assert.equal(`${profile.vendor}/${profile.name}`, name);
    const readme = fs.readFileSync(path.join(boards, name, 'README.md'), 'utf8');
    for (const heading of ['## Features', '## Limitations', '## Commands', '## How far it was tried']) {
      assert.ok(readme.includes(heading), `${name}: ${heading}`);
    }
  }
});

test('what a profile leaves out has its default', () => {
  const profile = parseBoard(JSON.stringify(wired), 'board.json');
  assert.deepEqual(profile.gpio.mark_button, { ...wired.gpio.mark_button, debounce_ms: 50 });
  assert.equal(profile.gpio.burst_marker?.active_low, false);
  assert.equal(profile.gpio.status_led, undefined);
  assert.equal(profile.memory.grow_beyond_boot, false);
});

test('a wrong key is named, with what is accepted', () => {
  assert.match(
    refusal({ memory: { total_gb: 2, domain_floor_mib: 64 } }),
    /memory\.total_gb: no such key; .*total_mib/,
  );
  assert.match(refusal({ verified: 'yes' }), /verified: found "yes"; accepted: none, built, emulated, hardware/);
  assert.match(refusal({ gpio: { status_led: { chip_label: 'x', line: -1 } } }), /gpio\.status_led\.line: found -1/);
});

test('an I2C address is one that the specification leaves free', () => {
  const at = (address: string) => refusal({ i2c: [{ kind: 'lm75', name: 'soc', bus: 1, address }] });
  for (const address of ['0x03', '0x48', '0x77', '0x4F']) assert.equal(at(address), 'accepted', address);
  for (const address of ['0x02', '0x78', '0x148', '48', '72']) assert.match(at(address), /i2c\[0\]\.address/, address);
});

test('a supply sensor needs its shunt, a thermometer takes none', () => {
  const chip = { name: 'supply', bus: 1, address: '0x40' };
  assert.match(refusal({ i2c: [{ kind: 'ina226', ...chip }] }), /shunt_milliohm/);
  assert.match(refusal({ i2c: [{ kind: 'tmp102', ...chip, shunt_milliohm: 1 }] }), /shunt_milliohm/);
});

test('text that is no JSON is located', () => {
  assert.throws(() => parseBoard('{\n  "vendor": acme\n}', 'board.json'), /board\.json:2:13/);
});

test('a board that does not exist is refused with those that do', (t) => {
  const folder = temporaryRoot(t);
  write(folder, 'acme/one/board.json', JSON.stringify(wired));
  write(folder, 'acme/notes/README.md', 'no board');
  assert.deepEqual(listBoards(folder), ['acme/one']);
  assert.throws(() => loadBoard(folder, 'acme/two'), /expected: acme\/one\n/);
  assert.throws(() => loadBoard(folder, '../acme/one'), /no such board/);
});

test('a profile in the wrong folder is refused', (t) => {
  const folder = temporaryRoot(t);
  write(folder, 'acme/two/board.json', JSON.stringify(wired));
  assert.throws(() => loadBoard(folder, 'acme/two'), /names itself acme\/one, its folder is acme\/two/);
});
