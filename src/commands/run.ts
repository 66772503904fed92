import { AgentSocket } from '../client/agent-socket.ts';
import { RunFiles } from '../coordination/run-files.ts';
import type { AddResult } from '../platforms/budget/contracts.ts';
import { launchInDomain } from '../platforms/budget/launch.ts';
import { formatBytes } from '../units.ts';
import type { CommandIo } from './io.ts';
import { chooseRunDir } from './run-dir.ts';

export interface RunOptions {
  readonly domain: string;
  readonly runDir?: string;
  readonly command: readonly [string, ...string[]];
  readonly quiet: boolean;
}

/** `memtide run`: starts a program in a domain, under its budget. @returns the program's own exit code. */
export async function runCommand(options: RunOptions, io: CommandIo): Promise<number> {
  const runDir = chooseRunDir(options.runDir, io);
  const agent = await AgentSocket.open(new RunFiles(runDir).domain(options.domain).socket);
  const [command, ...args] = options.command;
  try {
    const program = await launchInDomain({
      command,
      args,
      budget: { addProgram: (pid) => admit(agent, pid, options, io) },
      env: { ...io.env, MEMTIDE_RUN_DIR: runDir, MEMTIDE_DOMAIN: options.domain },
      cwd: io.cwd,
      signals: process,
      interactive: io.interactive,
    });
    const code = await program.exitCode;
    if (program.pid !== undefined) await agent.call({ op: 'program', pid: program.pid, ended: true });
    return code;
  } finally {
    await agent.close();
  }
}

async function admit(
  agent: AgentSocket,
  pid: number,
  { domain, quiet }: RunOptions,
  io: CommandIo,
): Promise<AddResult> {
  const reply = await agent.call({ op: 'program', pid });
  if (!reply.ok) {
    return { ok: false, reason: reply.error, ...(reply.remedy === undefined ? {} : { remedy: reply.remedy }) };
  }
  agent.keepOpen({ op: 'program', pid }); // an agent that is started anew takes the program up
  if ('program' in reply && !quiet) {
    const { limitBytes, enforcedBy, atTheLimit } = reply.program;
    const then = atTheLimit === undefined ? '' : `; beyond it: ${atTheLimit}`;
    io.stderr.write(`memtide: in ${domain}, ${formatBytes(limitBytes)} to begin with (${enforcedBy}${then})\n`);
  }
  return { ok: true };
}
