/**
 * Starts a program under a domain's budget, so that not one of its allocations happens outside.
 *
 * A shell is started first and held at a gate (it reads a line from descriptor 3); it is put under the budget from outside,
 * then the gate opens and the shell becomes the program, with the limit and the process number that it has. If
 * memtide dies in between, the read ends without a line and nothing is started.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { accessSync, constants as fsConstants, statSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { EXIT, errorMessage, MemtideError } from '../../errors.ts';
import type { AddResult } from './contracts.ts';

const GATE = 3;
const AT_THE_GATE = 'read -r _ <&3 || exit 125; exec 3<&-; exec "$@"';

/** Passed on to the program. */
const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGUSR2'] as const;
/** A terminal sends these to the program by itself. */
const TERMINAL_SIGNALS = ['SIGINT', 'SIGQUIT'] as const;

export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

export interface LaunchOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Puts the waiting shell under the budget; here, or by asking the agent that owns it. */
  readonly budget: { addProgram(pid: number): AddResult | Promise<AddResult> };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Standard input, output and error of the program; `inherit` unless told otherwise. */
  readonly stdio?: readonly ['inherit' | 'pipe', 'inherit' | 'pipe', 'inherit' | 'pipe'];
  /** Signals to pass on; `process` in the real thing. Nothing is passed on without one. */
  readonly signals?: SignalSource;
  /** Whether the program shares a terminal with memtide: then Ctrl-C reaches it anyway. */
  readonly interactive?: boolean;
}

export interface LaunchedProgram {
  readonly process: ChildProcess;
  /** `undefined` where not even the shell could be started; `exitCode` then rejects with the reason. */
  readonly pid: number | undefined;
  /** The program's exit code; 128 + n when signal n ended it. */
  readonly exitCode: Promise<number>;
}

/** @throws MemtideError when the command is not found or the budget does not take the program; nothing runs then. */
export async function launchInDomain(options: LaunchOptions): Promise<LaunchedProgram> {
  const { budget, args, cwd } = options;
  const command = findCommand(options.command, options.env.PATH ?? '', cwd);
  const stdio: StdioOptions = [...(options.stdio ?? ['inherit', 'inherit', 'inherit']), 'pipe'];
  const child = spawn('/bin/sh', ['-c', AT_THE_GATE, options.command, command, ...args], {
    cwd,
    env: { ...options.env },
    stdio,
  });
  const exitCode = exitOf(child, options);
  if (child.pid === undefined) return { process: child, pid: undefined, exitCode };
  const gate = child.stdio[GATE] as Writable;
  gate.on('error', () => {}); // the shell was killed at the gate: its exit code tells
  const added = await budget.addProgram(child.pid);
  if (!added.ok) {
    gate.end();
    exitCode.catch(() => {});
    throw new MemtideError({
      operation: "put a program under its domain's budget",
      object: options.command,
      actual: added.reason,
      ...(added.remedy === undefined ? {} : { remedy: added.remedy }),
    });
  }
  gate.end('go\n');
  return { process: child, pid: child.pid, exitCode };
}

function exitOf(child: ChildProcess, { signals, interactive, command }: LaunchOptions): Promise<number> {
  const passedOn: readonly NodeJS.Signals[] = interactive ? SIGNALS : [...SIGNALS, ...TERMINAL_SIGNALS];
  const ignored: readonly NodeJS.Signals[] = interactive ? TERMINAL_SIGNALS : [];
  const listeners = [
    ...passedOn.map((signal) => [signal, () => void child.kill(signal)] as const),
    // The terminal sent it to both; memtide stays to report how the program ended.
    ...ignored.map((signal) => [signal, () => {}] as const),
  ];
  for (const [signal, listener] of listeners) signals?.on(signal, listener);

  return new Promise<number>((resolveExit, reject) => {
    child.once('error', (cause) => {
      reject(new MemtideError({ operation: 'start a program', object: command, actual: errorMessage(cause), cause }));
    });
    child.once('exit', (code, signal) => {
      resolveExit(signal === null ? (code ?? 0) : 128 + osConstants.signals[signal]);
    });
  }).finally(() => {
    for (const [signal, listener] of listeners) signals?.off(signal, listener);
  });
}

/** The file that a shell would run. */
function findCommand(command: string, path: string, cwd: string): string {
  const candidates = command.includes('/')
    ? [resolve(cwd, command)]
    : path
        .split(delimiter)
        .map((directory) => join(isAbsolute(directory) ? directory : resolve(cwd, directory), command));
  const found = candidates.find(isProgram);
  if (found !== undefined) return found;
  throw new MemtideError({
    operation: 'start a program',
    object: command,
    expected: command.includes('/') ? 'an executable file' : 'an executable file in a directory of PATH',
    actual: 'none of that name',
    remedy: 'check the spelling, or name the program by its path',
    exitCode: EXIT.usage,
  });
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, fsConstants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
