import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { csvFormat } from '../../../../src/telemetry/drive/csv.ts';
import type { DriveEntry } from '../../../../src/telemetry/drive/read.ts';
import { REPORTS } from '../../../../src/telemetry/topics.ts';

/** RFC 4180, by hand: what another program would read. `undefined` is an empty cell without quotes. */
function parse(text: string): Array<Array<string | undefined>> {
  const rows: Array<Array<string | undefined>> = [];
  let row: Array<string | undefined> = [];
  for (let i = 0; i < text.length; ) {
    let cell: string | undefined;
    if (text[i] === '"') {
      let end = i + 1;
      while (text[end] !== '"' || text[end + 1] === '"') end += text[end] === '"' ? 2 : 1;
      cell = text.slice(i + 1, end).replaceAll('""', '"');
      i = end + 1;
    } else {
      const end = i + text.slice(i).search(/[,\n]/);
      cell = end === i ? undefined : text.slice(i, end);
      i = end;
    }
    row.push(cell);
    if (text[i] === '\n') {
      rows.push(row);
      row = [];
    }
    i++;
  }
  return rows;
}

const hostile = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('=1+1', '@x', "'=y", '-2', '+3', '"', '""', ',', 'a\nb', '\r\n', '', "''", '\t='),
);
const entry = fc.record({
  report: fc.constantFrom(...REPORTS),
  label: fc.option(hostile, { nil: undefined }),
  domain: fc.constantFrom('cluster', 'a-b'),
  used: fc.option(fc.nat(), { nil: undefined }),
  missing: fc.option(fc.array(hostile, { maxLength: 3 }), { nil: undefined }),
  later: fc.option(hostile, { nil: undefined }),
});

test('an export is read back as it was, by a reader that knows only CSV', () => {
  const { header, row } = csvFormat();
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), (given) => {
      const entries = given.map(
        ({ report, domain, label, used, missing, later }): DriveEntry => ({
          report,
          domain,
          payload: { label, used_bytes: used, missing, later_field: later },
          time: { wallMillis: 1e12, by: 'boot' },
        }),
      );
      const [head, ...rows] = parse(header + entries.map(row).join(''));
      const at = (name: string) => head!.indexOf(name);
      const text = (cell: string | undefined) => (/^'+[=+\-@\t\r]/.test(cell ?? '') ? cell!.slice(1) : cell);
      assert.equal(rows.length, given.length);
      for (const [i, { report, domain, label, used, missing, later }] of given.entries()) {
        const cells = rows[i]!;
        assert.equal(cells.length, head!.length);
        assert.deepEqual([cells[at('report')], cells[at('domain')]], [report, domain]);
        assert.deepEqual([cells[at('time')], cells[at('time_by')]], ['2001-09-09T01:46:40.000Z', 'boot']);
        assert.equal(text(cells[at('label')]), label);
        assert.equal(cells[at('used_bytes')], used?.toString());
        assert.equal(cells[at('missing')], missing && JSON.stringify(missing));
        const other = cells[at('other')];
        assert.equal(other === undefined ? undefined : JSON.parse(other).later_field, later);
      }
    }),
  );
});

test('no cell is taken for a formula', () => {
  const { row } = csvFormat(['event/mark']);
  for (const label of ['=HYPERLINK("x")', '+1', '-1', '@A1', '\tx', "'=x"]) {
    const cells = parse(row({ report: 'event/mark', domain: 'a', payload: { label } }))[0]!;
    assert.ok(cells.some((cell) => cell === `'${label}`));
  }
});

test('the columns of one report are its own', () => {
  const { header } = csvFormat(['event/mark']);
  assert.equal(
    header,
    'time,time_by,report,domain,v,seq,boot,mono_ns,ts,synced,spool,spool_seq,historical,source,label,other\n',
  );
});
