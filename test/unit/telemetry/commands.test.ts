import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { CommandDispatcher, command } from '../../../src/telemetry/commands.ts';

const ask = (verb: string, payload: unknown) => ({
  verb,
  content: Buffer.from(JSON.stringify(payload)),
  retained: false,
});

test('whatever arrives is answered, and nothing is thrown', async () => {
  const dispatcher = new CommandDispatcher({ grow: command({ add_mib: z.int() }, () => ({})) });
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.oneof(fc.json(), fc.string()), fc.boolean(), async (verb, content, retained) => {
      const answer = await dispatcher.answer({ verb, content: Buffer.from(content), retained });
      assert.equal(answer.ok, false);
      assert.ok(answer.error);
    }),
  );
});

test('a verb that every object has is no command', async () => {
  const dispatcher = new CommandDispatcher({});
  for (const verb of ['constructor', '__proto__', 'toString']) {
    assert.match((await dispatcher.answer(ask(verb, { txn: 'a' }))).error ?? '', /no such command/);
  }
});

test('an argument that the command does not know is refused, and named', async () => {
  const dispatcher = new CommandDispatcher({ mark: command({ label: z.string() }, () => ({})) });
  const answer = await dispatcher.answer(ask('mark', { txn: 'a', label: 'x', colour: 'red' }));
  assert.match(answer.error ?? '', /colour/);
});

test('a handler cannot overwrite the transaction id or the outcome', async () => {
  const dispatcher = new CommandDispatcher({ lie: command({}, () => ({ txn: 'other', ok: false })) });
  assert.deepEqual(await dispatcher.answer(ask('lie', { txn: 'a' })), { txn: 'a', ok: true });
});

test('a command that comes twice while it runs is run once, and both get its answer', async () => {
  let finish: (() => void) | undefined;
  let runs = 0;
  const dispatcher = new CommandDispatcher({
    slow: command({}, async () => {
      runs++;
      await new Promise<void>((done) => {
        finish = done;
      });
      return { runs };
    }),
  });
  const both = [dispatcher.answer(ask('slow', { txn: 'a' })), dispatcher.answer(ask('slow', { txn: 'a' }))];
  finish?.();
  assert.deepEqual(await Promise.all(both), [
    { txn: 'a', ok: true, runs: 1 },
    { txn: 'a', ok: true, runs: 1 },
  ]);
});

test('more commands at once than are allowed are told to try again, and may', async () => {
  const finish: Array<() => void> = [];
  const dispatcher = new CommandDispatcher({
    slow: command({}, () => new Promise((done) => finish.push(() => done({})))),
  });
  const running = Array.from({ length: 8 }, (_, i) => dispatcher.answer(ask('slow', { txn: `run-${i}` })));
  assert.match((await dispatcher.answer(ask('slow', { txn: 'ninth' }))).error ?? '', /busy/);
  for (const done of finish.splice(0)) done();
  await Promise.all(running);
  const again = dispatcher.answer(ask('slow', { txn: 'ninth' }));
  finish[0]?.();
  assert.equal((await again).ok, true);
});

test('a command larger than any real one is refused unread', async () => {
  const answer = await new CommandDispatcher({}).answer(ask('mark', { txn: 'a', label: 'x'.repeat(20_000) }));
  assert.match(answer.error ?? '', /accepted: at most 16384/);
});
