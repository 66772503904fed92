/**
 * A process with one application of the demonstration. Its parent tells it what to be, over the IPC channel of
 * child_process; SIGTERM ends it, and so does the end of the parent (end-with-parent.ts).
 */
import { openConnection } from '../client/connection.ts';
import { systemClock } from '../clock.ts';
import { readRecording } from '../evaluation/recording/read.ts';
import { LentMemory } from '../evaluation/replay/lent-memory.ts';
import { planReplay, type ReplayRule } from '../evaluation/replay/plan.ts';
import { noFigures, play } from '../evaluation/replay/player.ts';
import { systemTimer } from '../pressure/timer.ts';
import { ClusterApp, type ClusterSettings } from './cluster-app.ts';

export type AppStart =
  | { readonly app: 'cluster'; readonly socket: string; readonly settings: ClusterSettings }
  | { readonly app: 'replay'; readonly socket: string; readonly recording: string; readonly rule: ReplayRule };

/** What the application sends to its parent once it runs. */
export const APP_READY = 'ready';

/** Time between two rounds of the replay: a program has ended, the next has not begun. */
const BETWEEN_ROUNDS_MICROS = 1_000_000;
/** How long the replayed program would wait for other domains, in milliseconds. */
const DEADLINE_MILLIS = 200;

const ended = new AbortController();
process.once('SIGTERM', () => ended.abort());
process.once('message', (start: AppStart) => void run(start).finally(() => process.channel?.unref()));
// Until it has been told what to be, and while it is that, the channel alone keeps it alive.
process.channel?.ref();

async function run(start: AppStart): Promise<void> {
  const connection = await openConnection(start.socket);
  process.send!(APP_READY);
  if (start.app === 'cluster') {
    const app = new ClusterApp(connection, start.settings, systemClock, systemTimer);
    app.start();
    await untilEnded();
    app.stop();
  } else {
    const { trace } = await readRecording(start.recording);
    const plan = planReplay(trace, start.rule);
    const round = { ...plan, durationMicros: plan.durationMicros + BETWEEN_ROUNDS_MICROS };
    const memory = new LentMemory(connection, systemClock, DEADLINE_MILLIS);
    const times = { clock: systemClock, timer: systemTimer, signal: ended.signal };
    while (!ended.signal.aborted) await play(round, memory, noFigures(), times);
  }
  await connection.close();
}

function untilEnded(): Promise<void> {
  return new Promise((resolve) => {
    if (ended.signal.aborted) resolve();
    else ended.signal.addEventListener('abort', () => resolve());
  });
}
