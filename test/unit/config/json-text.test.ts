import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findJsonProblem } from '../../../src/config/json-text.ts';

for (const [text, line, column, message] of [
  ['', 1, 1, 'the text ends where a value is expected'],
  ['{"a":1,}', 1, 7, 'a comma before }'],
  ['{"a":1\n "b":2}', 2, 2, 'expected , or }'],
  ['{\n  // why\n}', 2, 3, 'JSON has no comments'],
  ["{'a':1}", 1, 2, 'expected a key in double quotes'],
  ['{"a" 1}', 1, 6, 'expected : after the key "a"'],
  ['{"a":1,"a":2}', 1, 8, 'the key "a" is given twice'],
  ['{"a":01}', 1, 7, 'expected , or }'],
  ['[1] x', 1, 5, 'something follows the end of the value'],
  ['["a', 1, 2, 'a string that is not closed, or has a raw line break or a wrong escape in it'],
  ['[1', 1, 3, 'the text ends before ]'],
  ['{"a":yes}', 1, 6, 'expected a value: a string in double quotes, a number, true, false, null, { or ['],
] as const) {
  test(`${JSON.stringify(text)} stops being JSON at ${line}:${column}`, () => {
    assert.deepEqual(findJsonProblem(text), { line, column, message });
  });
}

test('depth is bounded, so that a hostile file cannot end the stack', () => {
  assert.match(findJsonProblem('['.repeat(1_000_000))?.message ?? '', /nested deeper/);
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test('agrees with JSON.parse on what JSON is, repeated keys and depth aside', () => {
  const valid = fc.json({ maxDepth: 6 });
  const damaged = fc
    .tuple(valid, fc.nat(), fc.constantFrom('', ',', '"', '}', ']', ':', '\\', '0', '-', '.', 'e', '\n', ' ', 'null'))
    .map(([text, at, insert]) => {
      const cut = at % (text.length + 1);
      return text.slice(0, cut) + insert + text.slice(cut + (at % 2));
    });
  fc.assert(
    fc.property(fc.oneof(valid, damaged, fc.string()), (text) => {
      const problem = findJsonProblem(text);
      if (problem?.message.includes('given twice')) return;
      assert.equal(problem === undefined, parses(text));
    }),
    { numRuns: 2000 },
  );
});
