import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkConfig } from '../../../src/config/load.ts';
import { governedBytes } from '../../../src/config/total.ts';
import { demoConfig, sizeDemo } from '../../../src/demo/sizing.ts';
import { EXIT, type MemtideError } from '../../../src/errors.ts';
import { bytes, GIB, MIB } from '../../../src/units.ts';

const free = fc.integer({ min: 512, max: 64 * 1024 }).map((mib) => bytes(mib * MIB));

describe('the size of the demonstration', () => {
  it('governs no more than a quarter of what is free, and its peaks want more than can be lent', () => {
    fc.assert(
      fc.property(free, (available) => {
        const size = sizeDemo(available);
        assert.ok(size.totalBytes <= available / 4);
        assert.ok(size.peakDemand > 1.25 && size.peakDemand < 1.5, `${size.peakDemand}`);
      }),
    );
  });

  it('leaves room for the larger peak alone, and twice the largest burst for its local allocation', () => {
    fc.assert(
      fc.property(free, (available) => {
        const size = sizeDemo(available);
        assert.ok(size.infotainmentPeakBytes < size.arenaBytes);
        assert.ok(size.arenaBytes + 2 * size.largestBytes <= size.totalBytes);
      }),
    );
  });

  it('makes a configuration that the agents accept', () => {
    fc.assert(
      fc.property(free, fc.constantFrom('hypervisor' as const, 'split' as const), (available, mode) => {
        const config = checkConfig(demoConfig(sizeDemo(available), { mode, runDir: '/run/x', logDir: '/tmp/x' }));
        assert.equal(governedBytes(config, available), sizeDemo(available).totalBytes);
      }),
    );
  });

  it('counts the processes into the quarter, and says so where they do not fit', () => {
    assert.equal(sizeDemo(bytes(2 * GIB)).totalBytes, 272 * MIB);
    assert.equal(sizeDemo(bytes(2 * GIB)).overQuarter, false);
    assert.equal(sizeDemo(bytes(GIB)).overQuarter, true);
  });

  it('is refused where there is too little, with what would be enough', () => {
    assert.throws(
      () => sizeDemo(bytes(400 * MIB)),
      (error: MemtideError) => error.exitCode === EXIT.unavailable && /at least 512 MiB/.test(error.message),
    );
  });
});
