/**
 * The command line with bad input, as a new user meets it: a message that names the operation, what was found and the
 * mend; an exit code that is not 0; no stack trace.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { IDENTITY } from '../../src/control/layout.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { EXIT } from '../../src/errors.ts';
import { MAIN } from '../command-line.ts';

const base = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
const folder = fs.mkdtempSync(path.join(base, 'memtide-bad-'));
const at = (name: string): string => path.join(folder, name);
const agents: ChildProcess[] = [];

const memtide = (args: readonly string[]): ChildProcess =>
  spawn(process.execPath, [MAIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });

async function ran(args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const child = memtide(args);
  const [out, err, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'exit')]);
  return { code: code as number, out, err };
}

async function refused(args: readonly string[], code: number, ...messages: RegExp[]): Promise<void> {
  const { code: found, out, err } = await ran(args);
  const command = `memtide ${args.join(' ')}`;
  assert.equal(found, code, `${command}: ${err}`);
  for (const message of messages) assert.match(err, message, command);
  assert.doesNotMatch(`${out}${err}`, /\n\s+at .*:\d+:\d+|a fault of memtide/, command);
}

/** Starts an agent. @returns what it says on standard error, as it comes. */
async function started(args: readonly string[]): Promise<{ agent: ChildProcess; said: () => string }> {
  const agent = memtide(['agent', ...args]);
  agents.push(agent);
  let said = '';
  agent.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  const ended = once(agent, 'exit').then(() => Promise.reject(new Error(said)));
  ended.catch(() => {}); // at the end of the test they all end
  await Promise.race([once(agent.stdout!, 'data'), ended]);
  return { agent, said: () => said };
}

async function stopped(agent: ChildProcess): Promise<void> {
  if (agent.exitCode !== null || agent.signalCode !== null) return;
  const ended = once(agent, 'exit');
  agent.kill('SIGTERM');
  await ended;
}

const write = (name: string, content: string | object): string => {
  fs.writeFileSync(at(name), typeof content === 'string' ? content : JSON.stringify(content));
  return at(name);
};
const machine = (runDir: string, more: object = {}) => ({
  run_dir: at(runDir),
  total_mib: 64,
  domains: [{ name: 'a', floor_mib: 16, ceiling_mib: 48, budget_mib: 16 }],
  mqtt: { embedded: { port: 0 } },
  log: { level: 'warn' },
  ...more,
});

before(() => {
  write('unknown.json', { total_gb: 1 });
  write('unit.json', { total_mib: '64MB' });
  write('broken.json', '{"total_mib": 64,');
  write(
    'short.json',
    machine('none', { total_mib: 16, domains: [{ name: 'a', floor_mib: 16, ceiling_mib: 48, budget_mib: 32 }] }),
  );
  write('bad.csv', 'garbage\0\u0001');
  write('numbers.csv', 'time_s,bytes\n0.0,12\n0.1,many\n');
});

after(async () => {
  for (const agent of agents.reverse()) await stopped(agent);
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('help', () => {
  test('of every command says what it does, and shows an example where it takes arguments', async () => {
    const { out } = await ran(['--help']);
    const commands = [...out.matchAll(/^ {2}([a-z]+)(?= )/gm)]
      .map(([, name]) => name!)
      .filter((name) => name !== 'help');
    assert.ok(commands.length >= 10, commands.join(' '));
    for (const command of commands) {
      const help = await ran([command, '--help']);
      assert.equal(help.code, 0, command);
      assert.match(help.out, new RegExp(`^Usage: memtide ${command}`), command);
      assert.match(help.out, /Examples:\n {2}\$ memtide /, command);
    }
  });
});

describe('arguments', () => {
  test('that are not understood are named', async () => {
    await refused(['nosuch'], EXIT.usage, /unknown command 'nosuch'/);
    await refused(['start', '--duration', 'x'], EXIT.usage, /'--duration <seconds>' argument 'x' is invalid/);
    await refused(['start', '--mode', 'fast'], EXIT.usage, /expected: split or hypervisor\n +found: +fast/);
    await refused(['agent'], EXIT.usage, /--role backend, or --domain NAME/);
    await refused(['agent', '--role', 'frontend'], EXIT.usage, /choices are backend, domain/);
    await refused(['record', '--interval-ms', '0', '--', 'true'], EXIT.usage, /'0' is invalid/);
    await refused(['replay', 'browser-pages'], EXIT.usage, /--domain <name>' not specified/);
    await refused(
      ['replay', '--domain', 'a', '--scale', '2', '--peak-mib', '9'],
      EXIT.usage,
      /either --scale or --peak-mib/,
    );
    await refused(['bench', '--no-such-option'], EXIT.usage, /unknown option/);
    await refused(['doctor', '--nope'], EXIT.usage, /unknown option/);
    await refused(['config', 'check'], EXIT.usage, /missing required argument 'file'/);
    await refused(
      ['run', '--domain', '../a', '--', 'true'],
      EXIT.usage,
      /find the domain: "\.\.\/a"\n +expected: a name of/,
    );
  });
});

describe('a configuration', () => {
  test('with a key or a unit that is not known, or that is no JSON, is refused by whoever reads it', async () => {
    for (const reader of [
      ['agent', '--role', 'backend', '--config'],
      ['status', '--config'],
      ['config', 'check'],
    ]) {
      await refused(
        [...reader, 'unknown.json'],
        EXIT.config,
        /total_gb: no such key; did you mean total_mib\?/,
        /to mend/,
      );
      await refused([...reader, 'unit.json'], EXIT.config, /total_mib: found "64MB"; accepted: a whole number from 16/);
      await refused([...reader, 'broken.json'], EXIT.config, /broken\.json:1:\d+/, /to mend: +correct line 1/);
      await refused([...reader, 'missing.json'], EXIT.config, /no such file\n +to mend: +create it/);
      await refused([...reader, '.'], EXIT.config, /found: +a folder\n +to mend: +name the file in it/);
    }
  });

  test('whose domains do not fit into the total is refused before anything is taken', async () => {
    await refused(
      ['agent', '--role', 'backend', '--config', 'short.json'],
      EXIT.config,
      /total_mib: found 16; accepted: at least 32/,
    );
    assert.ok(!fs.existsSync(at('none')));
  });
});

describe('a recording', () => {
  test('that is missing, corrupt or a folder is refused, with the line where that is known', async () => {
    for (const reader of [['recordings'], ['replay', '--local', '--domain', 'a']]) {
      await refused([...reader, 'missing.csv'], EXIT.badInput, /found: +no such file\n +to mend: .*memtide recordings/);
      await refused([...reader, 'bad.csv'], EXIT.badInput, /bad\.csv, line 1\n +expected: # memtide recording 1/);
      await refused([...reader, 'numbers.csv'], EXIT.badInput, /numbers\.csv, line 3/, /"?0\.1,many"?/);
      await refused([...reader, '.'], EXIT.badInput, /no regular file/);
    }
  });

  test('is not begun where it cannot be written, nor of a program that is not there', async () => {
    await refused(
      ['record', '-o', 'no/such/folder.csv', '--', 'true'],
      EXIT.unavailable,
      /write the recording/,
      /to mend/,
    );
    await refused(['record', '--', 'no-such-program'], EXIT.unavailable, /no such program/, /to mend/);
  });
});

describe('agents', () => {
  test('that do not run are missed in words, with what starts them', async () => {
    const nowhere = ['--run-dir', at('nowhere')];
    await refused(['status', ...nowhere], EXIT.unavailable, /no back end runs there\n +to mend: +start one/);
    await refused(
      ['agent', '--domain', 'cluster', ...nowhere],
      EXIT.unavailable,
      /nothing was started there/,
      /to mend/,
    );
    for (const command of [
      ['run', '--domain', 'a', ...nowhere, '--', 'true'],
      ['replay', '--domain', 'a', ...nowhere],
    ]) {
      await refused(command, EXIT.unavailable, /nothing was started there/, /to mend: +start it with: memtide agent/);
    }
  });

  test('are refused twice for one domain, and for a domain that is not configured', async () => {
    const config = ['--config', write('twice.json', machine('twice'))];
    await started(['--role', 'backend', ...config]);
    await started(['--domain', 'a', ...config]);
    await refused(['agent', '--domain', 'a', ...config], EXIT.failed, /has an agent already/, /to mend/);
    await refused(['agent', '--role', 'backend', ...config], EXIT.failed, /one is running/, /to mend/);
    await refused(['agent', '--domain', 'b', ...config], EXIT.usage, /expected: one of a\n/, /to mend/);

    await refused(
      ['run', '--domain', 'a', '--run-dir', at('twice'), '--', 'no-such-program'],
      EXIT.usage,
      /none of that name/,
    );

    // A control file of another layout: the application must not believe a word of it.
    const { control } = new RunFiles(at('twice')).domain('a');
    const file = fs.openSync(control, 'r+');
    fs.writeSync(file, Buffer.from(Int32Array.of(99).buffer), 0, 4, IDENTITY.version * 4);
    fs.closeSync(file);
    await refused(
      ['replay', '--domain', 'a', '--run-dir', at('twice')],
      EXIT.failed,
      /expected: layout version \d+\n +found: +layout version 99/,
      /to mend/,
    );
  });

  test('go on without a broker, say so once with the reason, and show it in status', async () => {
    const config = ['--config', write('down.json', machine('down', { mqtt: { url: 'mqtt://127.0.0.1:9' } }))];
    const { said } = await started(['--role', 'backend', ...config]);
    await started(['--domain', 'a', ...config]);
    const { code, out } = await ran(['status', ...config]);
    assert.equal(code, 0);
    assert.match(out, /^broker +mqtt:\/\/127\.0\.0\.1:9, not connected: .*ECONNREFUSED/m);
    assert.equal(said().match(/no connection to mqtt:\/\/127\.0\.0\.1:9/g)?.length, 1, said());
  });

  test('go on where the port of the embedded broker is taken, and say how to mend it', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const config = ['--config', write('taken.json', machine('taken', { mqtt: { embedded: { port } } }))];
    const { said } = await started(['--role', 'backend', ...config]);
    assert.match(said(), /another program listens there.*to mend/);
    assert.match((await ran(['status', ...config])).out, /^broker +none$/m);
    other.close();
  });
});
