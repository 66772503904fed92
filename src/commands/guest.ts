import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { BackendReply } from '../coordination/agent-protocol.ts';
import { RunFiles } from '../coordination/run-files.ts';
import { EXIT, MemtideError } from '../errors.ts';
import { formatBytes, mebibytes } from '../units.ts';
import { type GuestConfig, parseGuestConfig } from '../xen/guest-config.ts';
import type { CommandIo } from './io.ts';
import { chooseRunDir } from './run-dir.ts';

export interface GuestCreateOptions {
  /** A domain config, as xl reads it. */
  readonly file: string;
  readonly runDir?: string;
  /** For the memory, in seconds. */
  readonly wait: number;
}

/** The toolstack takes seconds, on an emulated board tens of them; what is not taken by then is everybody's again. */
const HOLD_MILLIS = 120_000;
/** A back end that works answers so soon after the deadline; on an emulated board dom0 may be seconds behind. */
const ANSWER_MILLIS = 10_000;

/**
 * `memtide guest create`: the back end collects the memory that a guest's creation needs, then the toolstack creates it.
 * Where no back end runs nobody holds memory that could be collected. @returns the toolstack's exit code.
 */
export async function guestCreateCommand(options: GuestCreateOptions, io: CommandIo): Promise<number> {
  const file = path.resolve(io.cwd, options.file);
  const guest = parseGuestConfig(read(file), file);
  const { backendSocket } = new RunFiles(chooseRunDir(options.runDir, io));
  if (fs.existsSync(backendSocket)) await collect(backendSocket, guest, options.wait);
  else io.stderr.write(`memtide: no back end runs (no ${backendSocket}): the guest is created as it is\n`);
  const child = spawn('xl', ['create', file], { stdio: 'inherit', env: io.env as NodeJS.ProcessEnv });
  try {
    const [code] = await once(child, 'exit');
    return code ?? EXIT.failed;
  } catch (cause) {
    throw new MemtideError({
      operation: 'create a guest',
      object: file,
      expected: 'Xen’s toolstack',
      remedy: 'install xen-utils (dom0)',
      cause,
    });
  }
}

async function collect(socket: string, { name, memoryMib }: GuestConfig, waitSeconds: number): Promise<void> {
  const memory = mebibytes(memoryMib);
  const waitMillis = Math.round(waitSeconds * 1000);
  const call = { op: 'room', byteLength: memory, waitMillis, holdMillis: HOLD_MILLIS, guest: name };
  const reply = await askBackendSocket(socket, call, waitMillis + ANSWER_MILLIS);
  if (reply.ok && 'room' in reply && reply.room) return;
  throw new MemtideError({
    operation: 'collect memory for a guest',
    expected: `${formatBytes(memory)} within ${waitSeconds} s`,
    actual: reply.ok ? 'the guests that run hold too much, and need it themselves or do not give it up' : reply.error,
    remedy: 'memtide status --json shows what each holds (xen); stop a guest, lower a floor, or wait longer (--wait)',
    exitCode: EXIT.unavailable,
  });
}

/** One question to the back end. @throws MemtideError when it cannot be reached, or does not answer within `timeoutMillis`. */
export async function askBackendSocket(path: string, call: object, timeoutMillis: number): Promise<BackendReply> {
  const socket = net.connect(path);
  const timer = setTimeout(() => socket.destroy(new Error('it does not answer')), timeoutMillis);
  let text = '';
  try {
    await once(socket, 'connect');
    socket.write(`${JSON.stringify(call)}\n`);
    for await (const chunk of socket.setEncoding('utf8')) {
      text += chunk;
      if (text.includes('\n')) return JSON.parse(text) as BackendReply;
    }
  } catch (cause) {
    throw new MemtideError({
      operation: 'ask the back end for memory',
      object: path,
      expected: `an answer within ${timeoutMillis / 1000} s`,
      remedy: 'see the log of dom0’s agent, and start it again',
      cause,
      exitCode: EXIT.unavailable,
    });
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
  return { ok: false, error: 'the back end has ended' };
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (cause) {
    throw new MemtideError({ operation: 'read a domain config', object: file, cause, exitCode: EXIT.usage });
  }
}
