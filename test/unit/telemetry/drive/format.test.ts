import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  clockLine,
  type DriveMessage,
  headerLine,
  messageLine,
  parseDriveLine,
} from '../../../../src/telemetry/drive/format.ts';
import { REPORTS } from '../../../../src/telemetry/topics.ts';

const payload = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 12 }).filter((key) => !['domain', '__proto__'].includes(key)),
  fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean()),
);

test('a message is read as it was written, whatever its keys are called', () => {
  fc.assert(
    fc.property(fc.constantFrom(...REPORTS), payload, fc.option(fc.nat(), { nil: undefined }), (report, fields, rx) => {
      const own = report === 'event/burst' ? { ...fields, domain: 'cluster' } : fields;
      const message: DriveMessage = {
        report,
        domain: 'cluster',
        payload: own,
        ...(rx === undefined ? {} : { rxMillis: rx }),
      };
      const line = messageLine(message);
      assert.equal(line.indexOf('\n'), line.length - 1, 'one line');
      const read = parseDriveLine(line.slice(0, -1));
      assert.ok(read.kind === 'message');
      const { report: _r, rx_ms: _x, ...expected } = own as Record<string, unknown>;
      const hidden = rx === undefined && 'rx_ms' in own;
      if (!hidden) assert.deepEqual({ ...read.message.payload }, expected);
      assert.deepEqual([read.message.report, read.message.domain], [report, 'cluster']);
    }),
  );
});

test('headers and clocks are read as they were written', () => {
  const header = { vehicle: 'car-7', recorder: 'memtide 0.1.0', boot: 'b' };
  assert.deepEqual(parseDriveLine(headerLine(header).trim()), { kind: 'header', header });
  for (const synced of [{ synced: true }, { synced: false }, {}]) {
    const clock = { monoMillis: 81_200.125, wallMillis: Date.UTC(2026, 10, 25), ...synced };
    assert.deepEqual(parseDriveLine(clockLine(clock).trim()), { kind: 'clock', clock });
  }
});

test('whatever a line is, it is a result; what is torn, what is of later versions and what is wrong are told apart', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      assert.ok(['header', 'clock', 'message', 'unknown', 'bad'].includes(parseDriveLine(text).kind));
    }),
  );
  const kindOf = (text: string) => {
    const line = parseDriveLine(text);
    return line.kind === 'bad' ? `bad${line.torn ? ', torn' : ''}: ${line.reason}` : line.kind;
  };
  assert.equal(kindOf('{"report":"tele/mem","dom'), 'bad, torn: not a whole line');
  assert.equal(kindOf('{"report":"tele/later","domain":"cluster"}'), 'unknown');
  assert.equal(kindOf('{"later":1}'), 'unknown');
  assert.match(kindOf('{"drive":2,"vehicle":"a","recorder":"b","boot":"c"}'), /^bad: version 2/);
  assert.match(kindOf('{"report":"tele/mem"}'), /^bad: names no domain/);
  assert.match(kindOf('[]'), /^bad: no JSON object/);
});
