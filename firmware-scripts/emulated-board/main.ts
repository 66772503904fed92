/**
 * The emulated board, from the command line.
 *   main.js run        boots it, starts the agents, shows their status until Ctrl-C
 *   main.js test       boots it, runs the Xen suite in it, ends with its result
 *   main.js test NAME  the same with one part: leases.test
 *   main.js bench ...  boots it, runs memtide bench --xen in it with the options that follow, keeps the result. One more is
 *                      --guest-mib N: what each guest is booted with, 384 when left out
 *   main.js replay ... boots it, plays recordings in its guests under memtide and under its rivals, shows what it came to
 *   main.js capture    boots it, and writes boards/qemu/virt-arm64/captures anew
 *   main.js console    the console of dom0 of the board that runs (Ctrl-] leaves)
 */
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadBoard } from '../../src/board/load-profile.ts';
import { MemtideError } from '../../src/errors.ts';
import { packageRoot } from '../../src/package-root.ts';
import { startAgents } from './agents.ts';
import { benchOptions, runXenBench } from './bench.ts';
import { Board } from './board.ts';
import { capture } from './capture.ts';
import { attachConsole } from './console.ts';
import { DeafDom0 } from './dom0.ts';
import { type Guest, readGuests, withMemory } from './guests.ts';
import { buildImages, OutOfReach } from './images.ts';
import { tellLastWords } from './last-words.ts';
import { Progress } from './progress.ts';
import { readReplayOptions, runReplay } from './replay.ts';
import { whatIsMissing } from './requirements.ts';
import { keepLast } from './run-folders.ts';
import { runSuite } from './suite.ts';

const BOARD = 'qemu/virt-arm64';
const STATUS_MILLIS = 5000;

const repository = packageRoot();
const cache = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'memtide/emulated-board');
const runs = path.join(cache, 'runs');
const progress = new Progress((text) => process.stdout.write(text));
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort());
const onInterrupt = new Promise<never>((_, reject) => {
  interrupted.signal.addEventListener('abort', () => reject(new Interrupted()));
});
onInterrupt.catch(() => {}); // whoever waits hears of it

class Interrupted extends Error {}

type BoardWork<T> = (board: Board, guests: readonly Guest[], folder: string) => Promise<T>;

/**
 * Boots the board, does `work` with it, and powers it off, whatever happens.
 * @param guestMib what each guest is booted with; as its config says when left out.
 */
async function withBoard<T>(work: BoardWork<T>, guestMib?: number): Promise<T> {
  const folder = keepLast(runs);
  progress.say(`The emulated board, ${BOARD}. Its logs: ${folder}`);
  const profile = loadBoard(path.join(repository, 'boards'), BOARD);
  const configured = readGuests(path.join(repository, 'boards', BOARD, 'domains'));
  const guests = guestMib === undefined ? configured : configured.map((guest) => withMemory(guest, guestMib));
  const images = await Promise.race([buildImages(repository, cache, progress), onInterrupt]);
  const board = await Board.powerOn({ images, profile, guests, folder, progress });
  try {
    await Promise.race([board.boot(), onInterrupt]);
    return await Promise.race([work(board, guests, folder), onInterrupt]);
  } catch (error) {
    const canBeAsked = board.isRunning && !(error instanceof DeafDom0);
    if (canBeAsked && !interrupted.signal.aborted) await tellLastWords(board, guests, progress);
    throw error;
  } finally {
    await board.powerOff();
  }
}

async function run(): Promise<number> {
  return withBoard(async (board, guests) => {
    const status = await startAgents(board, guests, progress);
    progress.say('\nThe console of dom0: npm run board:console, in another terminal. Ctrl-C powers the board off.\n');
    try {
      const names = ['backend', ...guests.map(({ name }) => name)];
      for (;;) {
        progress.say(`${status.lines(names).join('\n')}\n`);
        await Promise.race([sleep(STATUS_MILLIS, undefined, { signal: interrupted.signal }), board.ended]);
      }
    } finally {
      await status.stop();
    }
  });
}

function testOnBoard(): Promise<number> {
  return withBoard(async (board, guests) => {
    const part = process.argv[3];
    const code = await runSuite(board, guests, progress, part);
    if (code !== 0) await tellLastWords(board, guests, progress);
    if (code !== 0 || part !== undefined) return code;
    progress.say('\nThe agents:\n');
    await (await startAgents(board, guests, progress)).stop();
    return 0;
  });
}

const WITH_BOARD: Readonly<Record<string, () => Promise<number>>> = {
  run,
  // What an emulator has done to a board says nothing of what is tested there.
  test: () =>
    testOnBoard().catch((error) => {
      if (!(error instanceof DeafDom0)) throw error;
      progress.say(`\n✘ ${error.message}\n\nOnce more, on a board that is booted anew.\n`);
      return testOnBoard();
    }),
  bench: () => {
    const { guestMib, options } = benchOptions(process.argv.slice(3));
    return withBoard(async (board, guests, folder) => {
      const [donor, recipient] = guests as [Guest, Guest];
      const file = await runXenBench(board, { donor, recipient, options, folder }, progress);
      progress.say(`The result: ${file}`);
      return 0;
    }, guestMib);
  },
  replay: () => {
    const options = readReplayOptions(process.argv.slice(3), path.join(repository, 'boards', BOARD, 'replay.json'));
    return withBoard((board, _, folder) => runReplay(board, folder, progress, options), options.bootMib);
  },
  capture: () =>
    withBoard(async (board, guests) => {
      await capture(board, guests, path.join(repository, 'boards', BOARD, 'captures'));
      return 0;
    }),
};

async function main(command = ''): Promise<number> {
  if (command === 'console') return attachConsole(runs);
  const work = WITH_BOARD[command];
  if (work === undefined) {
    progress.say('usage: main.js run | test [NAME] | bench [OPTIONS] | replay [OPTIONS] | capture | console');
    return 2;
  }
  const missing = whatIsMissing(process.env.PATH ?? '', process.getuid?.() ?? 0);
  if (missing !== undefined) return cannotRun(command, missing);
  try {
    return await work();
  } catch (error) {
    if (error instanceof OutOfReach) return cannotRun(command, error.message);
    throw error;
  }
}

/** A suite that cannot run here has not failed. */
function cannotRun(command: string, reason: string): number {
  const suite = command === 'test';
  progress.say(`${suite ? 'The Xen suite was not run here' : 'The emulated board cannot run'}: ${reason}.`);
  return suite ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv[2]);
} catch (error) {
  if (error instanceof Interrupted || (error as Error).name === 'AbortError') {
    process.exitCode = process.argv[2] === 'run' ? 0 : 130;
  } else {
    process.stderr.write(
      `\n✘ ${error instanceof MemtideError ? error.message : String((error as Error)?.stack ?? error)}\n`,
    );
    process.exitCode = 1;
  }
}
// A build that was interrupted, or a socket to a board that is gone, must not keep this process.
process.exit();
