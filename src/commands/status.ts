import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { RunFiles } from '../coordination/run-files.ts';
import { askBackend, askDomain, type BackendStatus, type DomainStatus } from '../demo/backend-status.ts';
import { agentsText } from '../demo/guest-text.ts';
import { statusText } from '../demo/status-text.ts';
import { EXIT, type ExitCode, errorMessage, MemtideError } from '../errors.ts';
import type { CommandIo } from './io.ts';
import { chooseRunDir } from './run-dir.ts';

export interface StatusOptions {
  readonly runDir?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** `memtide status`: what runs in a run directory. @throws MemtideError with `EXIT.unavailable` when nothing does. */
export async function statusCommand({ runDir: given, config, json }: StatusOptions, io: CommandIo): Promise<ExitCode> {
  const configured = config === undefined ? undefined : loadConfig(resolve(io.cwd, config)).run_dir;
  const runDir = chooseRunDir(given ?? configured, io);
  const files = new RunFiles(runDir);
  if (!existsSync(files.backendSocket)) return agentsAlone(runDir, files, json === true, io);
  const backend = await askOrExplain(runDir, files.backendSocket);
  const here = backend.domains.filter(({ connected, remote }) => connected && remote !== true).map(({ name }) => name);
  const domains = await askAll(files, here);
  if (json) io.stdout.write(`${JSON.stringify({ run_dir: runDir, backend, domains }, undefined, 2)}\n`);
  else io.stdout.write(statusText(runDir, backend, domains));
  return EXIT.ok;
}

/** In a guest: its back end is in another domain, and its agent is here. */
async function agentsAlone(runDir: string, files: RunFiles, json: boolean, io: CommandIo): Promise<ExitCode> {
  const names = files.domainNames().filter((name) => existsSync(files.domain(name).socket));
  if (names.length === 0) throw nothingRuns(runDir, 'no back end runs there');
  const domains = await askAll(files, names);
  if (json) io.stdout.write(`${JSON.stringify({ run_dir: runDir, domains }, undefined, 2)}\n`);
  else io.stdout.write(agentsText(runDir, domains));
  return EXIT.ok;
}

/** An agent that has just ended is no reason to say nothing about the others. */
async function askAll(files: RunFiles, names: readonly string[]): Promise<Record<string, DomainStatus | string>> {
  const answers = names.map(async (name) => [name, await askDomain(files.domain(name).socket).catch(errorMessage)]);
  return Object.fromEntries(await Promise.all(answers));
}

async function askOrExplain(runDir: string, socket: string): Promise<BackendStatus> {
  try {
    return await askBackend(socket);
  } catch (cause) {
    throw nothingRuns(runDir, 'a socket is there, and nobody answers: the back end has ended or hangs', cause);
  }
}

const nothingRuns = (runDir: string, actual: string, cause?: unknown): MemtideError =>
  new MemtideError({
    operation: 'tell the status',
    object: runDir,
    expected: 'a running back end',
    actual,
    remedy: 'start one with memtide start or memtide agent, or name its run directory with --run-dir or --config',
    cause,
    exitCode: EXIT.unavailable,
  });
