import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentSocket } from '../../../../client/agent-socket.ts';
import type { ConfigInput } from '../../../../config/schema.ts';
import { MemtideError } from '../../../../errors.ts';
import { MIB } from '../../../../units.ts';
import { type GuestMemory, inGuest, memoryOf } from '../guest-program.ts';
import type { Rival, StudyBoard } from '../rival.ts';

const CONFIG_FILE = '/run/memtide-replay.json';
const PID_FILE = '/run/memtide-replay.pid';
/** Of the board's guests: where memtide-agent puts itself. */
const AGENT_CGROUP = '/sys/fs/cgroup/memtide';
const AGENT_BYTES = 32 * MIB;
/**
 * An agent that lends nothing has no fast plane to be quick for. Without a compiler and its threads, and with one arena of
 * malloc's, it is half the size: 29 MiB for 60, its part of Node's code included.
 */
const SMALL_NODE = `NODE_OPTIONS='--jitless --v8-pool-size=0' UV_THREADPOOL_SIZE=1 MALLOC_ARENA_MAX=1`;
const SOCKET = '/run/memtide/backend.sock';
/** Where the machine outside reads logs, on the emulated board; else dom0's own. */
const LOGS = fs.existsSync('/run/share/log') ? '/run/share/log' : '/run';
/** Node alone takes 4 to 14 s to start in an emulated guest, and more beside other work. */
const JOIN_MILLIS = 240_000;
const ASK_MILLIS = 1000;
/** From the last agent's joining: the first reports, the first plan, the first moves. */
const SETTLE_MILLIS = 8000;

/** memtide in mode `hypervisor`: an agent in each guest, the back end in dom0. What the agents take is the guests' own. */
export const memtide: Rival = {
  name: 'memtide',
  about: 'agents move whole reservations ahead of need (mode hypervisor)',
  begin: async (board) => {
    const config = JSON.stringify(studyConfig(board));
    fs.writeFileSync(CONFIG_FILE, config);
    const log = fs.openSync(`${LOGS}/replay-agent-dom0.log`, 'a');
    const backend = spawn('memtide-agent', ['--role', 'backend', '--config', CONFIG_FILE], {
      stdio: ['ignore', log, log],
    });
    fs.closeSync(log);
    const end = () => endAll(board, backend);
    let own: GuestMemory[] = [];
    try {
      await until('the back end answers', board.signal, async () => (await status()) !== undefined);
      for (const guest of board.guests) await inGuest(guest, startScript(guest.name, guestConfig(board)));
      await until('the agents of the guests have joined', board.signal, async () => {
        const domains = (await status())?.domains;
        return domains?.every(({ connected }) => connected) === true;
      });
      await sleep(SETTLE_MILLIS, undefined, { signal: board.signal });
      own = await Promise.all(board.guests.map(memoryOf));
    } catch (error) {
      await end();
      throw error;
    }
    return { counts: async () => ({ ...(await counts()), ...ownNeeds(own) }), end };
  },
};

/** What the guests need with their agents, before anything is played: on average. */
function ownNeeds(own: readonly GuestMemory[]): Record<string, number> {
  const mean = (of: (memory: GuestMemory) => number): number =>
    Math.round(own.reduce((sum, each) => sum + of(each), 0) / own.length);
  return {
    own_bytes: mean(({ heldBytes, availableBytes }) => heldBytes - availableBytes),
    own_code_bytes: mean(({ mappedBytes }) => mappedBytes),
  };
}

function studyConfig({ guests, sizes, ownAddress, config }: StudyBoard): ConfigInput {
  const { totalBytes, floorBytes, bootBytes } = sizes;
  return {
    vehicle: 'board',
    // Nothing is lent here: the arena is as small as it may be.
    total_mib: 32,
    arena: { pool_mib: 8 },
    domains: guests.map(({ name }) => ({
      name,
      floor_mib: 4,
      ceiling_mib: 8,
      budget_mib: 4,
      guest: { floor_mib: floorBytes / MIB, ceiling_mib: bootBytes / MIB },
    })),
    ...config,
    xen: { keep_free_mib: 16, ...config.xen, total_mib: totalBytes / MIB },
    mqtt: { embedded: { host: ownAddress } },
  };
}

const guestConfig = (board: StudyBoard): ConfigInput => ({
  ...studyConfig(board),
  coordination: 'mqtt',
  mqtt: { url: `mqtt://${board.ownAddress}:1883` },
});

/**
 * As a service manager would start it (OOMScoreAdjust=, MemoryMin=, Nice=): the agent has to run just when memory is short, and
 * must not wait for its own pages then. What is kept for it is kept from the programs of its guest.
 */
const startScript = (name: string, config: ConfigInput): string => `
  echo '${JSON.stringify(config)}' >${CONFIG_FILE}
  echo -900 >/proc/self/oom_score_adj
  echo ${AGENT_BYTES} >${AGENT_CGROUP}/memory.min
  renice -n -10 -p $$ >/dev/null
  ${SMALL_NODE} setsid memtide-agent --domain ${name} --config ${CONFIG_FILE} >/dev/hvc0 2>&1 </dev/null &
  echo $! >${PID_FILE}`;

async function endAll({ guests }: StudyBoard, backend: ChildProcess): Promise<void> {
  await Promise.allSettled(
    guests.map((guest) => inGuest(guest, `[ ! -e ${PID_FILE} ] || kill $(cat ${PID_FILE}); rm -f ${PID_FILE}`)),
  );
  const gone = backend.exitCode === null && backend.signalCode === null ? once(backend, 'exit') : undefined;
  backend.kill();
  await gone;
}

interface BackendStatus {
  readonly domains: readonly { readonly connected: boolean }[];
  readonly xen?: {
    readonly guests: readonly {
      readonly asked_to_shrink: number;
      readonly let_grow: number;
      readonly overstated: number;
    }[];
  };
}

/** @returns undefined while nobody answers. */
async function status(): Promise<BackendStatus | undefined> {
  try {
    const socket = await AgentSocket.open(SOCKET);
    try {
      const reply = await socket.call({ op: 'status' });
      return reply.ok && 'status' in reply ? (reply.status as unknown as BackendStatus) : undefined;
    } finally {
      await socket.close();
    }
  } catch {
    return undefined;
  }
}

async function counts(): Promise<Record<string, number>> {
  const guests = (await status())?.xen?.guests ?? [];
  const sum = (of: 'asked_to_shrink' | 'let_grow' | 'overstated'): number =>
    guests.reduce((all, guest) => all + guest[of], 0);
  return { asked_to_shrink: sum('asked_to_shrink'), let_grow: sum('let_grow'), overstated: sum('overstated') };
}

async function until(what: string, signal: AbortSignal, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + JOIN_MILLIS;
  while (!(await holds())) {
    if (performance.now() > deadline) {
      throw new MemtideError({
        operation: 'start memtide’s agents for the study',
        expected: what,
        actual: `not within ${JOIN_MILLIS / 1000} s`,
        remedy: `read ${LOGS}/replay-agent-dom0.log and the guests’ consoles`,
      });
    }
    await sleep(ASK_MILLIS, undefined, { signal });
  }
}
