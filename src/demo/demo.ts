import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { RunFiles } from '../coordination/run-files.ts';
import { EXIT, MemtideError } from '../errors.ts';
import { DEFAULT_REPLAY_RULE } from '../evaluation/replay/plan.ts';
import type { Mode } from '../records.ts';
import { MIB } from '../units.ts';
import type { AppStart } from './app-process.ts';
import { askBackend, type BackendStatus } from './backend-status.ts';
import { besideThis, Child, type ChildEnd } from './child.ts';
import { CLUSTER, type DemoSize, demoConfig, INFOTAINMENT } from './sizing.ts';

/** All processes of the demonstration: the back end, the two agents, and an application in each domain. */
export interface DemoOptions {
  /** The module of the command line, which the agents are started with. */
  readonly mainModule: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly size: DemoSize;
  readonly mode: Mode;
  /** Private to this run: removed at the end. */
  readonly runDir: string;
  /** Kept. Takes the configuration, the drive logs and what the processes say. */
  readonly logDir: string;
  readonly recording: {
    readonly path: string;
    /** Its own peak, in bytes. */
    readonly peakBytes: number;
  };
}

/** The longest that a process may take to serve; a slow card takes a while to load Node. */
const READY_MILLIS = 30_000;
/** The longest that a process may take to end when it is told to. */
const END_MILLIS = 5_000;

export class Demo {
  readonly #options: DemoOptions;
  readonly #files: RunFiles;
  /** In the order of their start. */
  readonly #children: Child[] = [];
  #stopping = false;
  #failed: (end: ChildEnd) => void = () => {};
  /** Rejects when a process ends that should not have. */
  readonly failure: Promise<never>;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#files = new RunFiles(options.runDir);
    this.failure = new Promise((_, reject) => {
      this.#failed = (end) => reject(hasEnded(end, options.logDir));
    });
    this.failure.catch(() => {}); // told to whoever waits for it
  }

  /** Starts the agents, one after another where one needs the other. @returns the state of the back end. */
  async startAgents(): Promise<BackendStatus> {
    const { size, mode, runDir, logDir } = this.#options;
    mkdirSync(logDir, { recursive: true });
    writeFileSync(this.#configFile, `${JSON.stringify(demoConfig(size, { mode, runDir, logDir }), null, 2)}\n`);
    await this.#serving(this.#agent('backend', '--role', 'backend'));
    await Promise.all([CLUSTER, INFOTAINMENT].map((name) => this.#serving(this.#agent(name, '--domain', name))));
    return this.status();
  }

  /** Starts the applications: from here on there are bursts. */
  async startApplications(): Promise<void> {
    const { size, mode, recording } = this.#options;
    const scale = size.infotainmentPeakBytes / recording.peakBytes;
    await Promise.all([
      this.#serving(
        this.#application({
          app: 'cluster',
          socket: this.#files.domain(CLUSTER).socket,
          settings: {
            cacheBytes: size.cacheBytes,
            tileBytes: 2 * MIB,
            burstBytes: size.clusterBurstBytes,
            cacheAsksOthers: mode === 'split',
          },
        }),
      ),
      this.#serving(
        this.#application({
          app: 'replay',
          socket: this.#files.domain(INFOTAINMENT).socket,
          recording: recording.path,
          rule: { ...DEFAULT_REPLAY_RULE, scale, largestBytes: size.largestBytes },
        }),
      ),
    ]);
  }

  status(): Promise<BackendStatus> {
    return askBackend(this.#files.backendSocket);
  }

  get processIds(): number[] {
    return this.#children.flatMap(({ pid }) => pid ?? []);
  }

  /** Ends everything, applications first, and removes the run directory. A second call does nothing more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const [backend, ...others] = this.#children.splice(0);
    const applications = others.splice(2);
    await Promise.all(applications.map((child) => child.stop(END_MILLIS)));
    await Promise.all(others.map((child) => child.stop(END_MILLIS)));
    await backend?.stop(END_MILLIS);
    rmSync(this.#options.runDir, { recursive: true, force: true });
  }

  get #configFile(): string {
    return path.join(this.#options.logDir, 'memtide.json');
  }

  #agent(name: string, ...role: string[]): Child {
    return this.#start(name === 'backend' ? 'the back end' : `the agent of ${name}`, name, this.#options.mainModule, [
      'agent',
      ...role,
      '--config',
      this.#configFile,
    ]);
  }

  #application(app: AppStart): Child {
    return this.#start(`the application ${app.app}`, `app-${app.app}`, besideThis('app-process'), [], app);
  }

  #start(name: string, file: string, module: string, args: readonly string[], app?: AppStart): Child {
    const { env, logDir } = this.#options;
    // The agents take the run directory from the configuration: what the user's environment says is of another run.
    const { MEMTIDE_RUN_DIR: _, ...rest } = env;
    const logFile = path.join(logDir, `${file}.log`);
    const child = new Child({ name, module, args, env: rest, logFile, ...(app && { app }) });
    this.#children.push(child);
    void child.ended.then((end) => {
      if (!this.#stopping) this.#failed(end);
    });
    return child;
  }

  async #serving(child: Child): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(isLate(child.name, this.#options.logDir)), READY_MILLIS);
    });
    try {
      await Promise.race([child.ready, this.failure, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function hasEnded({ name, how, lastWords }: ChildEnd, logDir: string): MemtideError {
  const words = lastWords.length === 0 ? 'it said nothing' : `it said last:\n    ${lastWords.join('\n    ')}`;
  return new MemtideError({
    operation: 'go on with the demonstration',
    object: name,
    expected: 'a process that runs until the end',
    actual: `${how}; ${words}`,
    remedy: `memtide doctor tells what this machine lacks; the logs are in ${logDir}`,
    exitCode: EXIT.failed,
  });
}

function isLate(name: string, logDir: string): MemtideError {
  return new MemtideError({
    operation: 'start the demonstration',
    object: name,
    expected: `that it serves within ${READY_MILLIS / 1000} s`,
    actual: 'it does not say so',
    remedy: `look into the logs in ${logDir}`,
    exitCode: EXIT.unavailable,
  });
}
