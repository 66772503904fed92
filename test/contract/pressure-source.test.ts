import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { CgroupSource } from '../../src/pressure/cgroup-source.ts';
import type { PressureSource } from '../../src/pressure/contracts.ts';
import { MachineSource } from '../../src/pressure/machine-source.ts';
import { ProcessGroupSource } from '../../src/pressure/process-group-source.ts';
import { RecordedSource } from '../../src/pressure/recorded-source.ts';
import { mebibytes } from '../../src/units.ts';
import { fixtureTree, loadavg, MACHINE, PSI, processFiles } from '../unit/pressure/fixture-tree.ts';

/** What every `PressureSource` keeps to, whatever it reads: run on this machine's real files and on fixture trees. */
const clock = systemClock;
const trace = { atMicros: Float64Array.of(0, 1e6), usedBytes: Float64Array.of(1024, 4096) };

const SOURCES: Readonly<Record<string, (test: TestContext) => PressureSource | undefined>> = {
  'the machine, on real /proc': () => new MachineSource({ clock }),
  'the machine, on a fixture': (test) => new MachineSource({ clock, procRoot: fixtureTree(test, MACHINE) }),
  'the machine, with nothing to read': (test) => new MachineSource({ clock, procRoot: fixtureTree(test, {}) }),
  'processes, on real /proc': () =>
    new ProcessGroupSource({ clock, roots: [process.pid], limit: () => mebibytes(512) }),
  'processes, on a fixture': (test) => {
    const files = { ...MACHINE, loadavg: loadavg(9), ...processFiles(9, { parent: 1, anonKib: 64 }) };
    return new ProcessGroupSource({ clock, roots: [9], procRoot: fixtureTree(test, files) });
  },
  'processes that have ended': (test) =>
    new ProcessGroupSource({ clock, roots: [7], procRoot: fixtureTree(test, { ...MACHINE, loadavg: loadavg(9) }) }),
  'a cgroup, on real files': (test) => {
    const directory = ownCgroup();
    if (directory === undefined)
      test.skip(
        'needs a memory controller (cgroup v2, or v1) over this process, which this machine has not set up: on a fixture below',
      );
    return directory === undefined ? undefined : new CgroupSource({ clock, directory });
  },
  'a cgroup, on a fixture': (test) =>
    new CgroupSource({
      clock,
      directory: fixtureTree(test, {
        'memory.current': '4096\n',
        'memory.max': '8192\n',
        'memory.stat': 'inactive_file 1024\n',
        'memory.pressure': PSI,
      }),
    }),
  'a recording': () => new RecordedSource({ clock, trace, limit: () => mebibytes(1) }),
};

/** The nearest cgroup of this process that counts memory, v1 or v2. The root of v2 does not. */
function ownCgroup(): string | undefined {
  if (!existsSync('/proc/self/cgroup')) return undefined;
  const lines = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n');
  const candidates = lines.flatMap((line) => {
    const [, controllers, path] = line.split(':');
    if (controllers === '') return [join('/sys/fs/cgroup', path ?? '')];
    return controllers === 'memory' ? [join('/sys/fs/cgroup/memory', path ?? '')] : [];
  });
  return candidates.find((folder) =>
    ['memory.current', 'memory.usage_in_bytes'].some((file) => existsSync(join(folder, file))),
  );
}

for (const [name, make] of Object.entries(SOURCES)) {
  describe(`pressure of ${name}`, () => {
    const withSource = (what: string, check: (source: PressureSource) => void) =>
      it(what, (test) => {
        const source = make(test);
        if (!source) return;
        check(source);
        source.close();
      });

    withSource('says in each sample when it was, and of whom it speaks', (source) => {
      const first = source.sample();
      const second = source.sample();
      assert.ok(second.atMicros >= first.atMicros && first.atMicros > 0);
      assert.equal(first.scope, source.scope);
    });

    withSource('has no figure that is 0 for want of a reading: it is absent, and the reason is there', (source) => {
      const sample = source.sample();
      const fields = ['usedBytes', 'limitBytes', 'availableBytes', 'psi', 'vmstat'] as const;
      for (const field of fields) assert.ok(!(field in sample) || sample[field] !== undefined, field);
      const absent = fields.filter((field) => !(field in sample));
      assert.equal(absent.length > 0, (sample.missing ?? []).length > 0, `absent: ${absent}`);
      for (const { source: what, reason } of sample.missing ?? []) assert.ok(what !== '' && reason.length > 5, reason);
    });

    withSource('gives bytes that are whole and not negative', (source) => {
      const { usedBytes, limitBytes, availableBytes } = source.sample();
      for (const figure of [usedBytes, limitBytes, availableBytes]) {
        assert.ok(figure === undefined || (Number.isSafeInteger(figure) && figure >= 0), String(figure));
      }
    });

    withSource('gives totals that never fall', (source) => {
      const [first, second] = [source.sample(), source.sample()];
      if (!first.psi || !second.psi) return;
      assert.ok(second.psi.someTotalMicros >= first.psi.someTotalMicros);
      assert.ok(second.psi.fullTotalMicros >= first.psi.fullTotalMicros);
    });

    withSource('does not change a sample that it has given', (source) => {
      const sample = source.sample();
      const copy = structuredClone(sample);
      source.sample();
      assert.deepEqual(sample, copy);
    });

    withSource('may be closed twice', (source) => {
      source.sample();
      source.close();
    });
  });
}

describe('pressure of processes', () => {
  it('sees this process take memory, and let the machine speak for PSI', () => {
    const source = new ProcessGroupSource({ clock, roots: [process.pid] });
    const before = source.sample();
    const taken = Buffer.alloc(48 * 1024 * 1024, 1);
    const after = source.sample();
    assert.ok(after.usedBytes! - before.usedBytes! > 0.9 * taken.length);
    assert.equal(after.scope, 'machine');
    source.close();
  });
});
