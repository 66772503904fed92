import fs from 'node:fs';
import path from 'node:path';
import { systemClock } from '../clock.ts';
import { LiveState } from '../demo/live-state.ts';
import { Demonstration, endedError } from '../demo/demonstration.ts';
import { listenToBroker } from '../demo/feed.ts';
import { liveLines, plainLine, type ViewFrame } from '../demo/live-view.ts';
import { CLUSTER, INFOTAINMENT, sizeDemo } from '../demo/sizing.ts';
import { renderSummary, summarizeBursts } from '../demo/summary.ts';
import { EXIT, type ExitCode, MemtideError } from '../errors.ts';
import { shippedRecordings } from '../evaluation/recording/catalogue.ts';
import { MachineSource } from '../pressure/machine-source.ts';
import { MODES, type Mode } from '../records.ts';
import { formatBytes } from '../units.ts';
import type { CommandIo } from './io.ts';

export interface StartOptions {
  readonly duration: number;
  readonly forever?: boolean;
  readonly mode: string;
  readonly logDir?: string;
  readonly json?: boolean;
  readonly mainModule: string;
}

const RECORDING = 'browser-pages';
const REDRAW_MILLIS = 200;

/** `memtide start`: two domains on this machine, a recording replayed in one of them, live; a table at the end. */
export async function startCommand(options: StartOptions, io: CommandIo): Promise<ExitCode> {
  const mode = modeOf(options.mode);
  const size = sizeDemo(freeBytes());
  const recording = (await shippedRecordings()).find(({ name }) => name === RECORDING)!;
  const logDir = options.logDir === undefined ? newLogDir(io) : path.resolve(io.cwd, options.logDir);
  const demonstration = new Demonstration({
    size,
    mode,
    recording: recording.path,
    mainModule: options.mainModule,
    runDir: fs.mkdtempSync('/dev/shm/memtide-demo-'),
    logDir,
    env: io.env,
  });
  const state = new LiveState('memtide', [CLUSTER, INFOTAINMENT]);
  const screen = new Screen(io, options.json === true);
  let leave: (() => Promise<void>) | undefined;
  try {
    screen.note(
      `starting two domains on ${formatBytes(size.totalBytes)}; their peaks together want ${size.peakDemand.toFixed(1)} × of what can be lent …`,
    );
    await demonstration.start();
    leave = demonstration.brokerUrl === undefined ? undefined : await listenToBroker(demonstration.brokerUrl, state);
    const began = performance.now();
    const durationSeconds = options.forever ? undefined : options.duration;
    const frame = (): ViewFrame => ({
      totalBytes: size.totalBytes,
      peakDemand: size.peakDemand,
      recording: RECORDING,
      mode,
      elapsedSeconds: Math.floor((performance.now() - began) / 1000),
      durationSeconds,
      columns: io.columns,
      rows: process.stdout.rows ?? 24,
      colours: io.interactive && !io.env.NO_COLOR,
    });
    screen.open();
    const timer = setInterval(() => screen.draw(state, frame()), REDRAW_MILLIS);
    const failure = await Promise.race([
      demonstration.failed,
      passed(durationSeconds, io.signal).then(() => undefined),
    ]).finally(() => clearInterval(timer));
    screen.close();
    if (failure) throw endedError(failure);
    await demonstration.stop(); // agents say what they still know of their bursts
  } finally {
    screen.close();
    await leave?.();
    await demonstration.stop();
  }
  const sizes = summarizeBursts(state.records);
  const idle = state.idleSamples.reduce((all, one) => all + one, 0) / Math.max(1, state.idleSamples.length);
  if (options.json) {
    io.stdout.write(
      `${JSON.stringify({ mode, total_bytes: size.totalBytes, idle_bytes: Math.round(idle), log_dir: logDir, sizes }, null, 2)}\n`,
    );
  } else {
    io.stdout.write(`${renderSummary(sizes, state.idleSamples.length === 0 ? undefined : idle)}\n\nlogs: ${logDir}\n`);
  }
  return sizes.length > 0 ? EXIT.ok : EXIT.failed;
}

function modeOf(text: string): Mode {
  const mode = MODES.find((one) => one === text);
  if (mode) return mode;
  throw new MemtideError({
    operation: 'start the demonstration',
    object: '--mode',
    expected: MODES.join(' or '),
    actual: text,
    exitCode: EXIT.usage,
  });
}

function freeBytes() {
  const machine = new MachineSource({ clock: systemClock });
  const { availableBytes, missing } = machine.sample();
  machine.close();
  if (availableBytes !== undefined) return availableBytes;
  throw new MemtideError({ operation: 'find out how much memory is free', actual: missing?.[0]?.reason ?? 'unknown' });
}

/** A folder of its own for each run, where a user's state belongs. */
function newLogDir({ env }: CommandIo): string {
  const state = env.XDG_STATE_HOME ?? (env.HOME === undefined ? undefined : path.join(env.HOME, '.local/state'));
  const name = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  for (const base of [state, '/tmp']) {
    if (base === undefined) continue;
    const folder = path.join(base, 'memtide', name);
    try {
      fs.mkdirSync(folder, { recursive: true });
      return folder;
    } catch {
      // not ours to write: the next one
    }
  }
  throw new MemtideError({ operation: 'make a log folder', remedy: 'name one with --log-dir' });
}

function passed(seconds: number | undefined, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = seconds === undefined ? undefined : setTimeout(resolve, seconds * 1000);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Draws over itself on a terminal; elsewhere one line a second, on standard error if the result is JSON. */
class Screen {
  readonly #io: CommandIo;
  readonly #out: NodeJS.WritableStream;
  readonly #redraw: boolean;
  #open = false;
  #lastSecond = -1;

  constructor(io: CommandIo, json: boolean) {
    this.#io = io;
    this.#out = json ? io.stderr : io.stdout;
    this.#redraw = io.interactive && !json;
  }

  note(text: string): void {
    this.#out.write(`${text}\n`);
  }

  open(): void {
    this.#open = true;
    if (this.#redraw) this.#out.write('\u001b[?1049h\u001b[?25l');
  }

  draw(state: LiveState, frame: ViewFrame): void {
    if (this.#redraw) {
      const lines = liveLines(state, { ...frame, columns: process.stdout.columns ?? this.#io.columns });
      this.#out.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\n')}\u001b[J`);
    } else if (frame.elapsedSeconds !== this.#lastSecond) {
      this.#lastSecond = frame.elapsedSeconds;
      this.#out.write(`${plainLine(state, frame.elapsedSeconds)}\n`);
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#redraw) this.#out.write('\u001b[?25h\u001b[?1049l');
  }
}
