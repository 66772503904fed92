/** Starts the agents on the board, and waits until each has said over MQTT that it is there. */
import type { Board } from './board.ts';
import type { Guest } from './guests.ts';
import type { Progress } from './progress.ts';
import { Status } from './status.ts';

// Node alone takes 2 to 5 s to start in dom0, 4 to 14 in a guest, and several times that beside other work.
const BACKEND_SECONDS = 300;
const AGENT_SECONDS = 400;
const ORDER_SECONDS = 120;
const BROKER_MILLIS = 5000;
const FILES = '/opt/memtide/boards/qemu/virt-arm64';

/** @returns what the agents say from here on. */
export async function startAgents(board: Board, guests: readonly Guest[], progress: Progress): Promise<Status> {
  const status = new Status(board.brokerPort);
  await board.dom0.must(
    `setsid memtide-agent --role backend --config ${FILES}/dom0.json >/run/share/log/agent-dom0.log 2>&1 &`,
    { deadlineSeconds: ORDER_SECONDS },
  );
  const remedy = 'read the agents’ logs in share/log of the folder named above: agent-dom0.log, guest-*.log';
  // Not by trying: connections that the emulated network card takes before there is a broker reach it all the same, later
  // and together, and each costs it a third of a second.
  await progress.wait(
    {
      what: 'the agent of dom0 is ready',
      deadlineSeconds: BACKEND_SECONDS,
      remedy,
      attempt: () => (board.log('agent-dom0').includes('memtide backend: ready') ? true : undefined),
    },
    board.ended,
  );
  await progress.wait(
    {
      what: 'the broker in dom0 answers',
      deadlineSeconds: BACKEND_SECONDS,
      remedy,
      pollMillis: BROKER_MILLIS,
      attempt: () =>
        status.start().then(
          () => true as const,
          () => undefined,
        ),
    },
    board.ended,
  );
  // Its console is in the guest's log.
  for (const guest of guests) {
    await board.in(
      guest,
      `setsid memtide-agent --domain ${guest.name} --config ${FILES}/guest.json >/dev/hvc0 2>&1 </dev/null &`,
      { deadlineSeconds: ORDER_SECONDS },
    );
  }
  for (const name of ['backend', ...guests.map((guest) => guest.name)]) {
    await progress.wait(
      {
        what: `the agent of ${name === 'backend' ? 'dom0' : name} reports over MQTT`,
        deadlineSeconds: AGENT_SECONDS,
        remedy,
        attempt: () => (status.isOnline(name) ? true : undefined),
      },
      board.ended,
    );
  }
  return status;
}
