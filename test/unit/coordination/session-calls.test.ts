import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MAX_DEADLINE_MILLIS, readCall, readId } from '../../../src/coordination/session-calls.ts';

const read = (told: Record<string, unknown>) => readCall(told);
const refused = (told: Record<string, unknown>): { error: string; expected?: string } => {
  const reply = read(told);
  if (!('ok' in reply)) return assert.fail(`${JSON.stringify(told)} was understood`);
  return reply;
};

describe('calls over the socket', () => {
  test('what is left out has its default', () => {
    assert.deepEqual(read({ op: 'hello', version: 1 }), { op: 'hello', version: 1, pid: 0, locks: 'agent' });
    assert.deepEqual(read({ op: 'borrow', bytes: 7 }), {
      op: 'borrow',
      bytes: 7,
      deadline_ms: 200,
      revocable: false,
      contiguous: false,
    });
  });

  test('what is not known is left behind', () => {
    assert.deepEqual(read({ op: 'release', lease: 3, force: true }), { op: 'release', lease: 3 });
    const burst = {
      atMicros: 1.5,
      requestedBytes: 10,
      tierBytes: { reserve: 10, pool: 0, peer: 0, fourth: 5 },
      outcome: 'served',
      stages: { touchMicros: 3, sleptMicros: 4 },
      totalMicros: 9,
      idleBytes: 0,
    };
    assert.deepEqual(read({ op: 'burst', burst: { ...burst, domain: 'another' } }), {
      op: 'burst',
      burst: { ...burst, tierBytes: { reserve: 10, pool: 0, peer: 0 }, stages: { touchMicros: 3 } },
    });
  });

  test('a field that is wrong is named, with what would be right', () => {
    const cases: [Record<string, unknown>, RegExp, RegExp][] = [
      [{ op: 'borrow' }, /^borrow: "bytes" is missing/, /whole number from 1/],
      [{ op: 'borrow', bytes: 1.5 }, /"bytes" is not 1\.5/, /whole number/],
      [{ op: 'borrow', bytes: '64' }, /"bytes" is not "64"/, /whole number/],
      [{ op: 'borrow', bytes: 2 ** 60 }, /"bytes"/, /whole number/],
      [{ op: 'borrow', bytes: 1, deadline_ms: MAX_DEADLINE_MILLIS + 1 }, /"deadline_ms"/, /0 to 60000/],
      [{ op: 'borrow', bytes: 1, deadline_ms: -1 }, /"deadline_ms"/, /0 to 60000/],
      [{ op: 'borrow', bytes: 1, revocable: 'yes' }, /"revocable"/, /true or false/],
      [{ op: 'hello', version: 1, locks: 'nobody' }, /"locks"/, /"client" or "agent"/],
      [{ op: 'hello', version: 1, session: 128 }, /"session"/, /1 to 127/],
      [{ op: 'program', pid: 0 }, /"pid"/, /whole number/],
      [{ op: 'burst', burst: [] }, /"tierBytes" is missing/, /object/],
      [{ op: 'constructor' }, /unknown op "constructor"/, /one of hello, ready, borrow/],
    ];
    for (const [told, error, expected] of cases) {
      const reply = refused(told);
      assert.match(reply.error, error);
      assert.match(String(reply.expected), expected);
    }
  });

  test('nothing that JSON can say makes it throw, and a refusal is short', () => {
    const ops = ['hello', 'ready', 'borrow', 'release', 'bye', 'burst', 'program', 'status'];
    const told = fc.dictionary(
      fc.constantFrom('bytes', 'lease', 'burst', 'pid', 'version', '__proto__'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...ops), fc.string()), told, (op, fields) => {
        const reply = readCall(JSON.parse(JSON.stringify({ ...fields, op })) as Record<string, unknown>);
        if ('ok' in reply) assert.ok(reply.error.length < 200);
        else assert.equal(reply.op, op);
      }),
      { numRuns: 500 },
    );
  });

  test('an id is a number or a short string', () => {
    for (const id of [0, -1.5, '', 'a'.repeat(64)]) assert.equal(readId({ id }), id);
    assert.equal(readId({}), undefined);
    for (const id of [null, true, [], {}, 'a'.repeat(65), Number.POSITIVE_INFINITY])
      assert.equal(readId({ id }), false);
  });
});
