/** The agents of the board, as the suite starts, asks and ends them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { askBackend } from '../../src/demo/backend-status.ts';
import { type Guest, inGuest } from './guests.ts';
import type { LentStatus } from './lent-status.ts';

const FILES = '/opt/memtide/boards/qemu/virt-arm64';
const LOGS = '/run/share/log';
/** Ten times and more of what an idle machine takes. */
const PATIENCE_SECONDS = 300;

let dom0: ChildProcess | undefined;

export async function startDom0Agent(): Promise<void> {
  const log = fs.openSync(`${LOGS}/suite-agent-dom0.log`, 'a');
  dom0 = spawn('memtide-agent', ['--role', 'backend', '--config', `${FILES}/lending-dom0.json`], {
    stdio: ['ignore', log, log],
  });
  fs.closeSync(log);
  await until('the agent of dom0 answers', () => lentStatus().catch(() => undefined));
}

export async function killDom0Agent(signal: NodeJS.Signals): Promise<void> {
  const ended = once(dom0!, 'exit');
  dom0!.kill(signal);
  await ended;
}

/** It stands still until `continueDom0Agent`. */
export const stopDom0Agent = (): void => void dom0!.kill('SIGSTOP');
export const continueDom0Agent = (): void => void dom0!.kill('SIGCONT');

/** Its console gets what the agent says. */
export async function startGuestAgent(guest: Guest): Promise<void> {
  await inGuest(
    guest,
    `setsid memtide-agent --domain ${guest.name} --config ${FILES}/lending-guest.json >/dev/hvc0 2>&1 </dev/null & echo $! >/run/agent.pid`,
  );
}

export async function killGuestAgent(guest: Guest, signal = 'KILL'): Promise<void> {
  await inGuest(
    guest,
    `kill -${signal} $(cat /run/agent.pid); while kill -0 $(cat /run/agent.pid) 2>/dev/null; do sleep 0.2; done`,
  );
}

export async function lentStatus(): Promise<LentStatus> {
  const status = (await askBackend(new RunFiles('/run/memtide').backendSocket)) as unknown as { lent?: LentStatus };
  if (!status.lent) throw new Error('the agent of dom0 lends nothing');
  return status.lent;
}

/** Waits until `look` gives something. */
export async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + PATIENCE_SECONDS * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) {
      throw new Error(`not within ${PATIENCE_SECONDS} s: ${what}; ${JSON.stringify(await lentStatus().catch(String))}`);
    }
    await sleep(200);
  }
}

/** Waits for what dom0 lends to be so. */
export const untilLent = (what: string, isSo: (status: LentStatus) => boolean): Promise<LentStatus> =>
  until(what, async () => {
    const status = await lentStatus();
    return isSo(status) ? status : undefined;
  });
