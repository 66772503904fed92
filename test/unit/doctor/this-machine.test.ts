/** The doctor on the machine that runs the tests: nothing is a fixture here. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { takeInventory } from '../../../src/doctor/inventory.ts';
import { systemTrials } from '../../../src/doctor/trials.ts';

const command = new URL('../../../src/commands/doctor.js', import.meta.url).href;

/** Runs the command in a process of its own, where `before` comes first. */
function doctorScript(before: string): string {
  return `${before}
    const { doctorCommand } = await import(${JSON.stringify(command)});
    process.exitCode = await doctorCommand({ json: true }, {
      stdout: process.stdout, stderr: process.stderr, env: process.env, cwd: '/',
      signal: new AbortController().signal, interactive: false, columns: 80,
    });`;
}

const run = (before: string) =>
  promisify(execFile)(process.execPath, ['--input-type=module', '-e', doctorScript(before)]);

test('memtide can run where its tests run, and the report says so', async () => {
  const { stdout, stderr } = await run('');
  const report = JSON.parse(stdout);
  assert.equal(report.can_run, true);
  assert.equal(report.inventory.memory_bytes, os.totalmem());
  assert.equal(report.inventory.processor_threads, os.cpus().length);
  assert.equal(stderr, '');
});

test('the doctor also runs where koffi cannot be loaded, says so, and fails', async () => {
  const hook = `export async function resolve(specifier, context, next) {
    if (specifier === 'koffi') throw new Error('no koffi for this test');
    return next(specifier, context);
  }`;
  const before = `import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}), import.meta.url);`;
  const failure = await run(before).then(
    () => assert.fail('it should have failed'),
    (error: { code: number; stdout: string }) => error,
  );
  assert.equal(failure.code, 1);
  const report = JSON.parse(failure.stdout);
  assert.equal(report.can_run, false);
  const check = report.checks.find(({ id }: { id: string }) => id === 'foreign-calls');
  assert.equal(check.status, 'missing');
  assert.match(check.finding, /no koffi for this test/);
});

test('the inventory names the memory and the kernel of this machine', async () => {
  const result = await takeInventory();
  assert.ok(result.ok);
  assert.equal(result.inventory.memory_bytes, os.totalmem());
  assert.equal(result.inventory.kernel, os.release());
});

test('trials leave nothing behind', async () => {
  const mounts = () => fs.readFileSync('/proc/self/mountinfo', 'utf8');
  const before = mounts();
  const trials = systemTrials(process.env.PATH ?? '');
  const mount = await trials.hugeMount();
  const watch = await trials.watchPressure('/proc/pressure/memory');
  assert.equal(mounts(), before);
  if (!mount.ok) assert.notEqual(mount.reason, '');
  assert.ok(watch.method === 'trigger' ? watch.windowMicros > 0 : watch.reason);
  assert.deepEqual(await trials.foreignCalls(), { ok: true });
  const clock = await trials.clock();
  if (!clock.known) assert.notEqual(clock.reason, '');
});

test('programs are found on the search path and nowhere else', () => {
  const { hasProgram } = systemTrials('/usr/bin:/bin');
  assert.ok(hasProgram('sh'));
  assert.ok(!hasProgram('no-such-program'));
  assert.ok(!systemTrials('').hasProgram('sh'));
});
