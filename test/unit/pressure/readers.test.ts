import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MeminfoReader } from '../../../src/pressure/meminfo.ts';
import { label, PseudoFile } from '../../../src/pressure/pseudo-file.ts';
import { PsiReader } from '../../../src/pressure/psi.ts';
import { VmstatReader } from '../../../src/pressure/vmstat.ts';
import { fixtureTree, MEMINFO, PSI, put, VMSTAT } from './fixture-tree.ts';

describe('PSI', () => {
  it('gives averages in percent and totals in microseconds', (test) => {
    const reader = new PsiReader(`${fixtureTree(test, { memory: PSI })}/memory`);
    assert.deepEqual(reader.read(), {
      ok: true,
      psi: { someAvg10Percent: 1.5, fullAvg10Percent: 0.25, someTotalMicros: 123456, fullTotalMicros: 4567 },
    });
    reader.close();
  });

  it('says how to get PSI where the kernel has none', (test) => {
    const result = new PsiReader(`${fixtureTree(test, {})}/memory`).read();
    assert.ok(!result.ok && result.reason.includes('CONFIG_PSI=y'));
  });

  it('refuses another format and shows its beginning', (test) => {
    const reader = new PsiReader(`${fixtureTree(test, { memory: 'some avg10=x total=1\nfull\n' })}/memory`);
    const result = reader.read();
    assert.ok(!result.ok && result.reason.includes('some avg10=x'));
    reader.close();
  });

  it('does not take a total of the next line for one that is missing', (test) => {
    const text = 'some avg10=0.00 avg60=0.00 avg300=0.00\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n';
    const reader = new PsiReader(`${fixtureTree(test, { memory: text })}/memory`);
    assert.equal(reader.read().ok, false);
    reader.close();
  });
});

describe('meminfo', () => {
  it('gives total and available in bytes', (test) => {
    const reader = new MeminfoReader(`${fixtureTree(test, { meminfo: MEMINFO })}/meminfo`);
    assert.deepEqual(reader.read(), { ok: true, totalBytes: 2048000 * 1024, availableBytes: 1024000 * 1024 });
    reader.close();
  });

  it('tells the code of what runs, without what is shared memory', (test) => {
    const root = fixtureTree(test, {
      meminfo: `${MEMINFO}Mapped:   5000 kB\nShmem:  1000 kB\nShmemPmdMapped:  7 kB\n`,
    });
    const reader = new MeminfoReader(`${root}/meminfo`);
    reader.read();
    assert.equal(reader.codeBytes, 4000 * 1024);
    put(root, 'meminfo', MEMINFO);
    reader.read();
    assert.equal(reader.codeBytes, 0);
    reader.close();
  });

  it('sees a total that a balloon has changed since', (test) => {
    const root = fixtureTree(test, { meminfo: MEMINFO });
    const reader = new MeminfoReader(`${root}/meminfo`);
    reader.read();
    put(root, 'meminfo', MEMINFO.replace('2048000', '1536000'));
    const result = reader.read();
    assert.equal(result.ok && result.totalBytes, 1536000 * 1024);
    reader.close();
  });

  it('is missing, not zero, where MemAvailable is', (test) => {
    const reader = new MeminfoReader(`${fixtureTree(test, { meminfo: 'MemTotal: 5 kB\n' })}/meminfo`);
    assert.deepEqual(Object.keys(reader.read()), ['ok', 'reason']);
    reader.close();
  });
});

describe('vmstat', () => {
  it('adds the stalls of the zones that exist, and keeps pgscan_direct apart from pgscan_direct_throttle', (test) => {
    const reader = new VmstatReader(`${fixtureTree(test, { vmstat: VMSTAT })}/vmstat`);
    assert.deepEqual(reader.read(), {
      ok: true,
      vmstat: {
        majorFaults: 1284,
        pagesScannedDirect: 66,
        pagesScannedBackground: 55,
        oomKills: 2,
        allocationStalls: 7,
      },
    });
    reader.close();
  });
});

describe('a pseudo file', () => {
  it('grows its buffer for a file that is larger', (test) => {
    const long = `${'x'.repeat(9_999)}\nlast 42\n`;
    const file = new PseudoFile(`${fixtureTree(test, { long })}/long`, Buffer.alloc(16));
    assert.equal(file.refresh(), undefined);
    assert.equal(file.labelled(label('last ')), 42);
    file.close();
  });

  it('does not see what a longer content left behind in the buffer', (test) => {
    const root = fixtureTree(test, { file: 'first 1\nsecond 2\n' });
    const file = new PseudoFile(`${root}/file`);
    file.refresh();
    put(root, 'file', 'first 1\n');
    file.refresh();
    assert.equal(file.labelled(label('second ')), undefined);
    file.close();
  });

  it('reads any unsigned number back as it was written', (test) => {
    const root = fixtureTree(test, { file: '' });
    const file = new PseudoFile(`${root}/file`);
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER), fc.integer({ min: 0, max: 99 }), (whole, hundredths) => {
        const fraction = String(hundredths).padStart(2, '0');
        put(root, 'file', `whole:\t ${whole} kB\npart: ${whole % 1000}.${fraction}\n`);
        file.refresh();
        assert.equal(file.labelled(label('whole:')), whole);
        assert.ok(Math.abs(file.labelled(label('part:'))! - Number(`${whole % 1000}.${fraction}`)) < 1e-9);
      }),
      { numRuns: 50 },
    );
    file.close();
  });
});
