import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { WriteStream } from 'node:tty';
import { systemClock } from '../clock.ts';
import { Dashboard } from '../dashboard/server/dashboard.ts';
import { shippedDrives } from '../dashboard/server/drive-files.ts';
import { Demo } from '../demo/demo.ts';
import { applyReport, type DemoState, newState } from '../demo/demo-state.ts';
import { readDrive } from '../demo/drive.ts';
import { palette, wantsColour } from '../demo/palette.ts';
import { plainLine } from '../demo/plain.ts';
import { Screen } from '../demo/screen.ts';
import { CLUSTER, type DemoSize, INFOTAINMENT, sizeDemo } from '../demo/sizing.ts';
import { Subscription } from '../demo/subscription.ts';
import { summarizeDrive } from '../demo/summary.ts';
import { summaryText } from '../demo/summary-text.ts';
import { renderView, type ViewScene } from '../demo/view.ts';
import { EXIT, type ExitCode, errorMessage, MemtideError } from '../errors.ts';
import { shippedRecordings } from '../evaluation/recording/catalogue.ts';
import { readRecording } from '../evaluation/recording/read.ts';
import { MachineSource } from '../pressure/machine-source.ts';
import { MODES, type Mode } from '../records.ts';
import { bytes, formatBytes } from '../units.ts';
import type { CommandIo } from './io.ts';
import { chooseRunDir } from './run-dir.ts';

export interface StartOptions {
  /** In seconds. */
  readonly duration: number;
  readonly forever?: boolean;
  readonly mode: string;
  /** Default: a new folder among the temporary files. */
  readonly logDir?: string;
  readonly json?: boolean;
  /** The module that the agents are started with. */
  readonly mainModule: string;
}

/** Eight pictures a second: motion that is seen, and a hundredth of a CPU. */
const REDRAW_MILLIS = 125;
const PLAIN_MILLIS = 2000;
/** Rises and sinks within seconds, with quiet in between. */
const RECORDING = 'video-transcode';
const BASE_TOPIC = 'memtide';

/** `memtide start`: the whole of memtide on this machine, live, with a table at the end. */
export async function startCommand(options: StartOptions, io: CommandIo): Promise<ExitCode> {
  const mode = checkMode(options.mode);
  const recording = await loadRecording();
  const size = sizeDemo(freeBytes());
  // A plan beside the default run directory: the demonstration must not meet agents that run already.
  const runDir = mkdtempSync(`${chooseRunDir(undefined, { env: { ...io.env, MEMTIDE_RUN_DIR: undefined } })}-start-`);
  const logDir = options.logDir === undefined ? newLogDir() : path.resolve(io.cwd, options.logDir);
  const demo = new Demo({ mainModule: options.mainModule, env: io.env, size, mode, runDir, logDir, recording });
  const tell = options.json ? io.stderr : io.stdout;
  tell.write(`${introduction(size)}\n`);
  const live = new LiveView(options, io, tell);
  let subscription: Subscription | undefined;
  let page: ServedPage | undefined;
  try {
    const { broker_url: brokerUrl, arena } = await demo.startAgents();
    if (brokerUrl !== undefined) {
      subscription = new Subscription({ brokerUrl, base: BASE_TOPIC, onReport: (message) => live.hear(message) });
      await subscription.start();
      page = await servePage(brokerUrl, logDir, tell);
    }
    await demo.startApplications();
    live.start({
      domains: [INFOTAINMENT, CLUSTER],
      arenaBytes: arena.byteLength,
      peakDemand: size.peakDemand,
      recording: recording.name,
      mode,
      ...(options.forever ? {} : { durationMicros: options.duration * 1e6 }),
      startMicros: systemClock.monotonicMicros(),
      runDir,
      ...(brokerUrl === undefined ? {} : { brokerUrl }),
      ...(page === undefined ? {} : { dashboardUrl: page.url }),
    });
    await Promise.race([untilOver(options, io.signal), demo.failure]);
  } finally {
    live.stop();
    await page?.dashboard.stop();
    await subscription?.stop();
    await demo.stop();
  }
  const summary = summarizeDrive(await readDrive(logDir));
  if (options.json) io.stdout.write(`${JSON.stringify({ log_dir: logDir, ...summary }, undefined, 2)}\n`);
  else io.stdout.write(`\n${summaryText(summary, live.palette)}Logs and configuration: ${logDir}\n`);
  return EXIT.ok;
}

interface ServedPage {
  readonly url: string;
  readonly dashboard: Dashboard;
}

/** The same in the browser, at any free port. The demonstration goes on without it. */
async function servePage(
  brokerUrl: string,
  logDir: string,
  tell: NodeJS.WritableStream,
): Promise<ServedPage | undefined> {
  try {
    const dashboard = new Dashboard({
      host: '127.0.0.1',
      port: 0,
      broker: { url: brokerUrl, base: BASE_TOPIC },
      driveFolders: [logDir, shippedDrives()],
      clock: systemClock,
      procRoot: '/proc',
    });
    const url = await dashboard.start();
    tell.write(`memtide: the same in the browser: ${url}\n`);
    return { url, dashboard };
  } catch (error) {
    tell.write(`memtide: no page in the browser: ${errorMessage(error)}\n`);
    return undefined;
  }
}

function checkMode(text: string): Mode {
  const mode = MODES.find((each) => each === text);
  if (mode) return mode;
  throw new MemtideError({
    operation: 'start the demonstration',
    object: '--mode',
    expected: MODES.join(' or '),
    actual: text,
    remedy: 'leave it out: hypervisor is the better one',
    exitCode: EXIT.usage,
  });
}

async function loadRecording() {
  const shipped = await shippedRecordings();
  const { name, path: file } = shipped.find((each) => each.name === RECORDING) ?? shipped[0]!;
  const { trace } = await readRecording(file);
  return { name, path: file, peakBytes: trace.usedBytes.reduce((peak, used) => Math.max(peak, used), 0) };
}

function freeBytes() {
  const machine = new MachineSource({ clock: systemClock });
  const { availableBytes } = machine.sample();
  machine.close();
  return availableBytes ?? bytes(os.freemem());
}

/** Among the temporary files: a demonstration should leave nothing in a user's home. */
const newLogDir = (): string => mkdtempSync(path.join(os.tmpdir(), 'memtide-'));

function introduction({ totalBytes, overQuarter }: DemoSize): string {
  const note = overQuarter ? ' (and some more for its processes: this machine is small)' : '';
  return `memtide: starting two domains with ${formatBytes(totalBytes)}${note} …`;
}

function untilOver({ duration, forever }: StartOptions, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = forever ? undefined : setTimeout(resolve, duration * 1000);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Shows the state as it changes: on a terminal in place, elsewhere a line now and then. */
class LiveView {
  readonly palette;
  readonly #io: CommandIo;
  readonly #out: NodeJS.WritableStream;
  readonly #screen: Screen | undefined;
  #state: DemoState = newState([INFOTAINMENT, CLUSTER]);
  #scene: ViewScene | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ json }: StartOptions, io: CommandIo, out: NodeJS.WritableStream) {
    const redraws = io.interactive && !json && io.env.TERM !== 'dumb';
    this.palette = palette(wantsColour(io.interactive, io.env));
    this.#io = io;
    this.#out = out;
    this.#screen = redraws ? new Screen(out) : undefined;
  }

  hear(message: Parameters<typeof applyReport>[1]): void {
    this.#state = applyReport(this.#state, message);
  }

  start(scene: ViewScene): void {
    this.#scene = scene;
    this.#screen?.open();
    this.#timer = setInterval(() => this.#show(), this.#screen ? REDRAW_MILLIS : PLAIN_MILLIS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#screen?.close();
  }

  #show(): void {
    const scene = this.#scene!;
    const elapsedMicros = systemClock.monotonicMicros() - scene.startMicros;
    if (!this.#screen) {
      this.#out.write(`${plainLine(this.#state, scene.domains, elapsedMicros)}\n`);
      return;
    }
    // Asked each time, because a window changes its size.
    const { columns = this.#io.columns, rows = 24 } = this.#out as Partial<WriteStream>;
    const frame = { state: this.#state, scene, elapsedMicros, columns, rows, palette: this.palette };
    this.#screen.draw(renderView(frame), rows);
  }
}
