import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '../../../src/clock.ts';
import { type Drive, readDrive } from '../../../src/demo/drive.ts';
import { palette } from '../../../src/demo/palette.ts';
import { summarizeDrive } from '../../../src/demo/summary.ts';
import { summaryText } from '../../../src/demo/summary-text.ts';
import type { BurstRecord } from '../../../src/records.ts';
import { BurstLog } from '../../../src/telemetry/burst-log.ts';
import { Reporter } from '../../../src/telemetry/reporter.ts';
import { Stamper } from '../../../src/telemetry/stamp.ts';
import { bytes, MIB } from '../../../src/units.ts';
import { burst } from './records.ts';

const drive = (bursts: readonly BurstRecord[], rest: Partial<Drive> = {}): Drive => ({
  bursts,
  idle: [],
  poolBytes: [],
  damagedLines: 0,
  ...rest,
});
const refused = (changes: Partial<BurstRecord> = {}): BurstRecord => {
  const { probe: _, ...rest } = burst({
    outcome: 'refused',
    refusal: 'pool-empty',
    tierBytes: { reserve: 0, pool: 0, peer: 0 },
    ...changes,
  });
  return rest;
};

describe('the summary of a run', () => {
  it('groups by powers of two, smallest first, and takes medians of what was measured', () => {
    const { sizes } = summarizeDrive(
      drive([
        burst({ requestedBytes: bytes(7 * MIB), totalMicros: 9 }),
        burst({ totalMicros: 300 }),
        burst({ totalMicros: 100 }),
        burst({ totalMicros: 200 }),
      ]),
    );
    assert.deepEqual(
      sizes.map(({ fromBytes, toBytes, served, totalP50Micros, totalMaxMicros }) => [
        fromBytes / MIB,
        toBytes / MIB,
        served,
        totalP50Micros,
        totalMaxMicros,
      ]),
      [[4, 7, 4, 100, 300]],
    );
    assert.equal(summarizeDrive(drive([burst(), burst({ requestedBytes: bytes(8 * MIB) })])).sizes.length, 2);
  });

  it('compares only bursts that have a local allocation beside them, and counts each probe once', () => {
    const skipped = { kind: 'skipped', reason: 'no quiet moment came in 10 s' } as const;
    const summary = summarizeDrive(
      drive([burst({ totalMicros: 100 }), burst({ totalMicros: 100 }), burst({ totalMicros: 9000, probe: skipped })]),
    );
    const [size] = summary.sizes;
    assert.deepEqual(size!.compared, {
      n: 2,
      probes: 1,
      bestP50Micros: 50,
      freshP50Micros: 2000,
      toBest: 2,
      toFresh: 0.05,
    });
    assert.deepEqual(summary.probes, { warm: 1, huge: 0 });
    assert.deepEqual(summary.notCompared, [{ reason: skipped.reason, n: 1 }]);
    assert.equal(size!.totalMaxMicros, 9000, 'what has no probe still counts as a burst');
  });

  it('counts a refused burst as refused, never as a fast one', () => {
    const { sizes, served, refusals } = summarizeDrive(
      drive([refused({ totalMicros: 1 }), burst({ totalMicros: 100 })]),
    );
    assert.deepEqual([sizes[0]!.served, sizes[0]!.refused, sizes[0]!.totalP50Micros, served], [1, 1, 100, 1]);
    assert.deepEqual(refusals, [{ reason: 'pool-empty', n: 1 }]);
  });

  it('says nothing of latency where every burst was refused', () => {
    const [size] = summarizeDrive(drive([refused()])).sizes;
    assert.equal(size!.totalP50Micros, undefined);
    assert.equal(size!.compared, undefined);
    assert.equal(size!.aloneShare, undefined);
  });

  it('tells from whom the bytes came, and how many bursts waited for no donor', () => {
    const [size] = summarizeDrive(
      drive([burst(), burst({ tierBytes: { reserve: 0, pool: MIB, peer: 3 * MIB } })]),
    ).sizes;
    assert.deepEqual(size!.tierShares, { reserve: 0.5, pool: 0.125, peer: 0.375 });
    assert.equal(size!.aloneShare, 0.5);
  });

  it('adds the reserves of the domains to the pool for what was idle', () => {
    const { idle } = summarizeDrive(
      drive([burst()], {
        idle: [
          { domain: 'cluster', reserveBytes: 2, offeredBytes: 9 },
          { domain: 'cluster', reserveBytes: 4, offeredBytes: 9 },
          { domain: 'infotainment', reserveBytes: 10, offeredBytes: 9 },
        ],
        poolBytes: [100, 200],
      }),
    );
    assert.deepEqual(idle, { reserveBytes: { cluster: 3, infotainment: 10 }, poolBytes: 150, allBytes: 163 });
  });
});

describe('the summary as text', () => {
  const text = (bursts: readonly BurstRecord[], rest: Partial<Drive> = {}) =>
    summaryText(summarizeDrive(drive(bursts, rest)), palette(false));

  it('fits 80 characters, with figures of every length', () => {
    const reason = 'the domain has 3.1 MiB free, less than twice 8 MiB';
    const many = [1, 2, 8, 512].flatMap((mib) =>
      [3, 99_999, 12_345_678].map((totalMicros) =>
        burst({
          requestedBytes: bytes(mib * 1.5 * MIB),
          totalMicros,
          probe: { kind: 'measured', freshMicros: 987_654, bestMicros: 1, bestWay: 'huge' },
        }),
      ),
    );
    const told = text([...many, burst({ probe: { kind: 'skipped', reason } }), refused()], {
      idle: [{ domain: 'infotainment', reserveBytes: 700 * MIB, offeredBytes: 0 }],
      poolBytes: [900 * MIB],
    });
    for (const line of told.split('\n')) assert.ok(line.length <= 80, `${line.length}: ${line}`);
    assert.match(told, /Refused: pool-empty \(1\)/);
  });

  it('warns of ratios that stand on few local allocations, and only then', () => {
    const probed = (count: number) =>
      Array.from({ length: count }, (_, index) =>
        burst({ probe: { kind: 'measured', freshMicros: 2000 + index, bestMicros: 50, bestWay: 'warm' } }),
      );
    assert.match(text(probed(4)), /With fewer than 5 probes a ratio is a hint/);
    assert.doesNotMatch(text(probed(5)), /is a hint/);
  });

  it('shows a gap, no figure, where nothing could be compared', () => {
    const told = text([burst({ probe: { kind: 'skipped', reason: 'the domain was refused the memory' } })]);
    assert.match(told, /^4 MiB +1 +100 µs +100 µs +- +- +0 +- +-$/m);
    assert.match(told, /1 of 1 bursts have no local allocation beside them/);
  });

  it('says so when there was no burst', () => {
    assert.match(text([]), /No burst was logged/);
  });
});

describe('reading the logs of a run', () => {
  it('gets back what the agents logged, and counts a torn line', async (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-drive-'));
    t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
    const stamper = new Stamper({
      clock: systemClock,
      bootId: 'boot',
      readSyncState: () => ({ known: false, reason: 'a test' }),
    });
    for (const domain of ['infotainment', 'backend']) {
      const log = new BurstLog({ folder, domain, bootId: 'boot' });
      await log.start();
      const reporter = new Reporter(stamper, [log]);
      if (domain === 'backend') reporter.alloc({ poolBytes: bytes(5) });
      else {
        reporter.burst(burst());
        reporter.alloc({ reserveBytes: bytes(1), offeredBytes: bytes(2), leasedBytes: bytes(3) });
      }
      await log.stop();
    }
    fs.writeFileSync(path.join(folder, 'drive-boot-cluster-1.jsonl'), '{"report":"event/bu');
    fs.writeFileSync(path.join(folder, 'backend.log'), 'not a drive log\n');
    const read = await readDrive(folder);
    assert.deepEqual(read.bursts, [burst()]);
    assert.deepEqual(read.idle, [{ domain: 'infotainment', reserveBytes: 1, offeredBytes: 2 }]);
    assert.deepEqual([read.poolBytes, read.damagedLines], [[5], 1]);
  });
});
