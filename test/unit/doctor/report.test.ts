import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judgeAll } from '../../../src/doctor/check.ts';
import { CHECKS } from '../../../src/doctor/checks.ts';
import type { InventoryResult } from '../../../src/doctor/inventory.ts';
import { reportJson, reportText, wrap } from '../../../src/doctor/report.ts';
import { COMPLETE, factsOf, RASPBERRY_PI_5 } from './machines.ts';

const inventory: InventoryResult = {
  ok: true,
  inventory: {
    system: 'Raspberry Pi 5 Model B Rev 1.0',
    processor: 'ARM Cortex-A76',
    processor_threads: 4,
    memory_bytes: 3978240000,
    operating_system: 'Debian GNU/Linux 12',
    kernel: '6.12.48',
    virtualised_by: undefined,
  },
};

test('the text is the same machine as the JSON, check by check', async (t) => {
  const findings = judgeAll(CHECKS, await factsOf(t, RASPBERRY_PI_5));
  const text = reportText({ inventory, findings }, { columns: 100, colours: false });
  const json = JSON.parse(reportJson({ inventory, findings }));
  assert.equal(json.checks.length, CHECKS.length);
  for (const { title, area, status } of json.checks) {
    if (area !== 'xen') assert.ok(text.includes(`${MARKS[status]} ${title}`), title);
  }
  assert.match(text, /^Raspberry Pi 5 Model B Rev 1\.0 · 4 × ARM Cortex-A76 · 3\.7 GiB · Debian GNU\/Linux 12\n/);
  assert.match(text, / {2}– not in a Xen domain\n/, 'an area that is not here is one line');
});

const MARKS: Record<string, string> = { ok: '✔', degraded: '!', missing: '✘', 'not-applicable': '–' };

test('the JSON has stable keys', async (t) => {
  const json = JSON.parse(reportJson({ inventory, findings: judgeAll(CHECKS, await factsOf(t, RASPBERRY_PI_5)) }));
  assert.deepEqual(Object.keys(json), ['schema', 'can_run', 'summary', 'inventory', 'checks']);
  assert.equal(json.can_run, true);
  assert.deepEqual(Object.keys(json.summary), ['ok', 'degraded', 'missing', 'not_applicable']);
  assert.equal(
    Object.values<number>(json.summary).reduce((a, b) => a + b),
    json.checks.length,
  );
  const psi = json.checks.find((check: { id: string }) => check.id === 'psi');
  assert.deepEqual(Object.keys(psi), ['id', 'area', 'title', 'status', 'essential', 'finding', 'consequence', 'mend']);
});

test('ids of checks are unique: scripts rely on them', () => {
  const ids = CHECKS.map(({ id }) => id);
  assert.deepEqual([...new Set(ids)], ids);
});

test('the verdict says whether memtide runs, and what keeps it from running', async (t) => {
  const lastLine = async (machine: Parameters<typeof factsOf>[1]) => {
    const findings = judgeAll(CHECKS, await factsOf(t, machine));
    return reportText({ inventory, findings }, { columns: 100, colours: false }).trim().split('\n').at(-1);
  };
  assert.equal(await lastLine(COMPLETE), 'memtide runs here with everything it can use.');
  assert.match((await lastLine(RASPBERRY_PI_5)) ?? '', /^memtide runs here; \d+ things could be better\.$/);
  assert.equal(await lastLine({ ...COMPLETE, nodeVersion: '16.0.0' }), 'memtide cannot run here: Node.');
});

test('lines keep to the width of the terminal, and colours only to a terminal', async (t) => {
  const findings = judgeAll(CHECKS, await factsOf(t, RASPBERRY_PI_5));
  for (const columns of [60, 80, 110]) {
    const text = reportText({ inventory, findings }, { columns, colours: false });
    assert.ok(!text.includes('\u001b'));
    const wide = text
      .split('\n')
      .slice(1)
      .filter((line) => line.length > columns && /\S \S+$/.test(line.trim().slice(40)));
    assert.deepEqual(wide, []);
  }
  assert.ok(reportText({ inventory, findings }, { columns: 80, colours: true }).includes('\u001b[32m✔'));
});

test('an inventory that could not be taken leaves the findings standing', async (t) => {
  const findings = judgeAll(CHECKS, await factsOf(t, COMPLETE));
  const report = { inventory: { ok: false as const, reason: 'not installed' }, findings };
  assert.match(reportText(report, { columns: 80, colours: false }), /^Unknown machine: not installed\n/);
  assert.deepEqual(JSON.parse(reportJson(report)).inventory, { reason: 'not installed' });
});

test('wrapping loses no word and breaks no line that need not be', () => {
  const text = fc.array(fc.stringMatching(/^\S{1,12}$/), { maxLength: 30 }).map((words) => words.join(' '));
  fc.assert(
    fc.property(text, fc.integer({ min: 12, max: 60 }), (words, width) => {
      const lines = wrap(words, width);
      assert.equal(lines.join(' '), words);
      lines.forEach((line, index) => {
        assert.ok(line.length <= width);
        const next = lines[index + 1]?.split(' ')[0];
        if (next !== undefined) assert.ok(line.length + 1 + next.length > width);
      });
    }),
  );
});
