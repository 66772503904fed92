import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { RunFiles } from '../coordination/run-files.ts';
import { askBackend, askDomain, type BackendStatus, type DomainStatus } from '../demo/backend-status.ts';
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
  const backend = await askOrExplain(runDir, files.backendSocket);
  const domains: Record<string, DomainStatus | string> = {};
  for (const { name, connected } of backend.domains) {
    if (!connected) continue;
    // An agent that has just ended is no reason to say nothing about the others.
    domains[name] = await askDomain(files.domain(name).socket).catch(errorMessage);
  }
  if (json) io.stdout.write(`${JSON.stringify({ run_dir: runDir, backend, domains }, undefined, 2)}\n`);
  else io.stdout.write(statusText(runDir, backend, domains));
  return EXIT.ok;
}

async function askOrExplain(runDir: string, socket: string): Promise<BackendStatus> {
  if (existsSync(socket)) {
    try {
      return await askBackend(socket);
    } catch (cause) {
      throw nothingRuns(runDir, 'a socket is there, and nobody answers: the back end has ended or hangs', cause);
    }
  }
  throw nothingRuns(runDir, 'no back end runs there');
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
