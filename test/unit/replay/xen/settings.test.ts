import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { readReplayOptions } from '../../../../firmware-scripts/emulated-board/replay.ts';
import { needsOf, scheduleOf } from '../../../../src/evaluation/replay/xen/schedule.ts';
import { readSettings } from '../../../../src/evaluation/replay/xen/settings.ts';
import { readTraces } from '../../../../src/evaluation/replay/xen/study.ts';
import { MIB } from '../../../../src/units.ts';
import { repositoryRoot } from '../../../architecture/source-tree.ts';

const SHIPPED = path.join(repositoryRoot(), 'boards/qemu/virt-arm64/replay.json');
/** A guest of the emulated board with nothing played: its kernel, and a shell. */
const OWN_MIB = 76;

describe('settings of the study', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-settings-'));
  after(() => fs.rmSync(folder, { recursive: true }));
  const shipped = JSON.parse(fs.readFileSync(SHIPPED, 'utf8')) as Record<string, unknown>;
  const changed = (change: Record<string, unknown>): string => {
    const file = path.join(folder, 'settings.json');
    fs.writeFileSync(file, JSON.stringify({ ...shipped, ...change }));
    return file;
  };

  it('that ship are tight: a half holds no peak, both peaks are more than there is, what is needed at a time is less', async () => {
    const { sizes } = readSettings(SHIPPED);
    const { sumOfPeaksBytes, jointPeakBytes } = needsOf(scheduleOf(await readTraces(), sizes));
    assert.ok(sizes.peakBytes + OWN_MIB * MIB > sizes.totalBytes / 2);
    assert.ok(sumOfPeaksBytes + 2 * OWN_MIB * MIB > sizes.totalBytes);
    assert.ok(jointPeakBytes + 2 * OWN_MIB * MIB < sizes.totalBytes * 0.9);
  });

  it('with an unknown key, or a total that two guests cannot have, are refused with its name', () => {
    assert.throws(() => readSettings(changed({ totl_mib: 3 })), /totl_mib/);
    assert.throws(() => readSettings(changed({ total_mib: 4096 })), /total_mib 4096/);
    assert.throws(() => readSettings(changed({ memtide: { xen: { pol_mib: 3 } } })), /pol_mib/);
  });

  it('say what the guests are booted with; other options of the command line go on to dom0', () => {
    const options = readReplayOptions(['--rounds', '2', '--cases', 'memtide'], SHIPPED);
    assert.equal(options.bootMib, shipped.boot_mib);
    assert.deepEqual(options.passedOn, ['--rounds', '2', '--cases', 'memtide']);
    assert.throws(() => readReplayOptions(['--round', '2'], SHIPPED), /--round/);
  });
});
