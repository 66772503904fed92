import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../../src/clock.ts';
import { headroomBytes } from '../../../src/pressure/headroom.ts';
import { STALL_INTERVAL_MICROS } from '../../../src/pressure/machine-readings.ts';
import { MachineSource } from '../../../src/pressure/machine-source.ts';
import { ProcessGroupSource } from '../../../src/pressure/process-group-source.ts';
import { RecordedSource } from '../../../src/pressure/recorded-source.ts';
import { KIB, mebibytes, micros } from '../../../src/units.ts';
import { fixtureTree, loadavg, MACHINE, MEMINFO, PSI, processFiles, put } from './fixture-tree.ts';

describe('the machine as a domain', () => {
  it('uses what is not available', (test) => {
    const source = new MachineSource({ clock: new VirtualClock(), procRoot: fixtureTree(test, MACHINE) });
    const { usedBytes, limitBytes, availableBytes } = source.sample();
    assert.deepEqual([usedBytes, limitBytes, availableBytes], [1024000 * KIB, 2048000 * KIB, 1024000 * KIB]);
    source.close();
  });

  it('does not read stalls where it is told not to, and does not miss them', (test) => {
    const procRoot = fixtureTree(test, MACHINE);
    const source = new MachineSource({ clock: new VirtualClock(), procRoot, psi: false });
    const { psi, missing, vmstat } = source.sample();
    assert.deepEqual([psi, missing, vmstat !== undefined], [undefined, undefined, true]);
    source.close();
  });

  it('reads memory each time, and stalls ten times a second', (test) => {
    const clock = new VirtualClock();
    const procRoot = fixtureTree(test, MACHINE);
    const source = new MachineSource({ clock, procRoot });
    source.sample();
    put(procRoot, 'meminfo', MEMINFO.replace('1024000', '1023000'));
    put(procRoot, 'pressure/memory', PSI.replace('123456', '223456'));
    clock.advanceMicros(STALL_INTERVAL_MICROS - 1);
    const early = source.sample();
    assert.equal(early.availableBytes, 1023000 * KIB);
    assert.equal(early.psi?.someTotalMicros, 123456);
    clock.advanceMicros(1);
    assert.equal(source.sample().psi?.someTotalMicros, 223456);
    source.close();
  });
});

describe('headroom', () => {
  const at = micros(0);
  const domain = { atMicros: at, scope: 'machine' as const, usedBytes: mebibytes(60), limitBytes: mebibytes(100) };

  it('is what the limit leaves, or what the machine has, whichever is less', () => {
    assert.equal(headroomBytes({ ...domain, availableBytes: mebibytes(500) }), mebibytes(40));
    assert.equal(headroomBytes({ ...domain, availableBytes: mebibytes(5) }), mebibytes(5));
    assert.equal(headroomBytes(domain), mebibytes(40));
  });

  it('is 0 beyond the limit, and unknown where nothing bounds the domain', () => {
    assert.equal(headroomBytes({ ...domain, usedBytes: mebibytes(120) }), 0);
    assert.equal(headroomBytes({ atMicros: at, scope: 'domain', usedBytes: mebibytes(1) }), undefined);
  });
});

describe('processes as a domain', () => {
  it('are bounded by the limit as it stands at each sample', (test) => {
    const files = { ...MACHINE, loadavg: loadavg(9), ...processFiles(9, { parent: 1, anonKib: 64 }) };
    let limit = mebibytes(10);
    const clock = new VirtualClock();
    const source = new ProcessGroupSource({
      clock,
      roots: [9],
      limit: () => limit,
      procRoot: fixtureTree(test, files),
    });
    assert.equal(source.sample().limitBytes, mebibytes(10));
    limit = mebibytes(20);
    const sample = source.sample();
    assert.deepEqual([sample.limitBytes, sample.usedBytes], [mebibytes(20), 64 * KIB]);
    source.close();
  });
});

describe('a recording as a domain', () => {
  const trace = { atMicros: Float64Array.of(500, 1500, 2500), usedBytes: Float64Array.of(10, 20, 30) };
  const played = (repeat: boolean) => {
    const clock = new VirtualClock(9_000);
    const source = new RecordedSource({ clock, trace, repeat });
    return [0, 999, 1, 1000, 500, 500].map((advance) => {
      clock.advanceMicros(advance);
      return source.sample().usedBytes;
    });
  };

  it('plays from the first sample, and holds each value until the next', () => {
    assert.deepEqual(played(false), [10, 10, 20, 30, 30, 30]);
  });

  it('begins again at the end if asked to', () => {
    assert.deepEqual(played(true), [10, 10, 20, 10, 10, 20]);
  });

  it('is refused when it is empty', () => {
    const empty = { atMicros: new Float64Array(), usedBytes: new Float64Array() };
    assert.throws(() => new RecordedSource({ clock: new VirtualClock(), trace: empty }), /at least one sample/);
  });
});
