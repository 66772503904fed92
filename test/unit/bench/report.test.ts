import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportText } from '../../../src/evaluation/bench/report.ts';
import { goldenReport, goldenResult } from './golden.ts';

const plain = { colours: false };
const ESCAPE = String.fromCharCode(27);

test('the report is the one that was reviewed', () => {
  assert.equal(reportText(goldenResult(), plain), goldenReport());
});

test('colours change no character that is read', () => {
  const coloured = reportText(goldenResult(), { colours: true });
  assert.ok(coloured.includes(ESCAPE));
  const bare = coloured.replaceAll(new RegExp(`${ESCAPE}\\[[0-9;]*m`, 'g'), '').replaceAll(/ +$/gm, '');
  assert.equal(bare, goldenReport());
});

test('what was not measured is said, not shown as nothing', () => {
  const { agent: _, ...rest } = goldenResult();
  const text = reportText({ ...rest, rows: rest.rows.filter((row) => row.case !== 'tier2') }, plain);
  assert.match(text, /^idle agent +not measured$/m);
  assert.match(text, /^tier2 ÷ local-huge.* not measured/m);
});

test('warnings and sizes that were left out stand at the end', () => {
  const result = { ...goldenResult(), warnings: ['the arena has base pages: no rights'] };
  const text = reportText(result, plain);
  assert.match(text, /left out: 256 MiB, tier2-4k: .*64 MiB free\n! the arena has base pages: no rights\n$/);
  assert.doesNotMatch(reportText({ ...result, warnings: [], left_out: [] }, plain), /kept in mind/);
});
