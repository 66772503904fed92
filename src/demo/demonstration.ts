import fs from 'node:fs';
import path from 'node:path';
import { checkConfig } from '../config/load.ts';
import { RunFiles } from '../coordination/run-files.ts';
import { MemtideError } from '../errors.ts';
import { readRecording } from '../evaluation/recording/read.ts';
import { DEFAULT_REPLAY_RULE } from '../evaluation/replay/plan.ts';
import type { Mode } from '../records.ts';
import { MIB } from '../units.ts';
import { askBackend } from './backend-status.ts';
import { besideThis, Child, type ChildEnd, type ChildStart } from './child.ts';
import { CLUSTER, type DemoSize, demoConfig, INFOTAINMENT } from './sizing.ts';

export interface DemonstrationOptions {
  readonly size: DemoSize;
  readonly mode: Mode;
  readonly recording: string;
  /** The compiled command line, to start agents with. */
  readonly mainModule: string;
  readonly runDir: string;
  readonly logDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a child may take to end by itself. */
const GRACE_MILLIS = 4000;
const CACHE_TILE_BYTES = 2 * MIB;

/** Starts the processes of the demonstration in their order, watches them, and ends them. */
export class Demonstration {
  readonly #options: DemonstrationOptions;
  readonly #children: Child[] = [];
  readonly #failed: Promise<ChildEnd>;
  #fail: (end: ChildEnd) => void = () => {};
  #stopping = false;
  brokerUrl: string | undefined;

  constructor(options: DemonstrationOptions) {
    this.#options = options;
    this.#failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  /** Resolves when a process ends that should not have. */
  get failed(): Promise<ChildEnd> {
    return this.#failed;
  }

  /** @throws MemtideError when a process does not come up. */
  async start(): Promise<void> {
    const { size, mode, runDir, logDir, recording } = this.#options;
    fs.mkdirSync(logDir, { recursive: true });
    const config = path.join(logDir, 'memtide.json');
    fs.writeFileSync(config, `${JSON.stringify(checkConfig(demoConfig(size, { mode, runDir, logDir })), null, 2)}\n`);
    await this.#agent('back end', config, ['--role', 'backend']);
    const files = new RunFiles(runDir);
    this.brokerUrl = (await askBackend(files.backendSocket)).broker_url;
    await Promise.all([
      this.#agent(`agent of ${CLUSTER}`, config, ['--domain', CLUSTER]),
      this.#agent(`agent of ${INFOTAINMENT}`, config, ['--domain', INFOTAINMENT]),
    ]);
    const { trace } = await readRecording(recording);
    const peak = trace.usedBytes.reduce((most, used) => Math.max(most, used), 1);
    await Promise.all([
      this.#run({
        name: 'cluster application',
        module: besideThis('app-process'),
        args: [],
        app: {
          app: 'cluster',
          socket: files.domain(CLUSTER).socket,
          settings: {
            cacheBytes: size.cacheBytes,
            tileBytes: CACHE_TILE_BYTES,
            burstBytes: size.clusterBurstBytes,
            cacheAsksOthers: mode === 'split',
          },
        },
      }),
      this.#run({
        name: 'infotainment application',
        module: besideThis('app-process'),
        args: [],
        app: {
          app: 'replay',
          socket: files.domain(INFOTAINMENT).socket,
          recording,
          rule: {
            ...DEFAULT_REPLAY_RULE,
            scale: size.infotainmentPeakBytes / peak,
            largestBytes: size.largestBytes,
          },
        },
      }),
    ]);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const child of this.#children.splice(0).reverse()) await child.stop(GRACE_MILLIS);
    fs.rmSync(this.#options.runDir, { recursive: true, force: true });
  }

  #agent(name: string, config: string, role: readonly string[]): Promise<void> {
    const { mainModule, runDir } = this.#options;
    return this.#run({ name, module: mainModule, args: ['agent', '--config', config, '--run-dir', runDir, ...role] });
  }

  async #run(start: Omit<ChildStart, 'env' | 'logFile'>): Promise<void> {
    const { env, logDir } = this.#options;
    const child = new Child({ ...start, env, logFile: path.join(logDir, 'agents.log') });
    this.#children.push(child);
    void child.ended.then((end) => {
      if (!this.#stopping) this.#fail(end);
    });
    const ended = child.ended.then((end) => {
      throw endedError(end);
    });
    ended.catch(() => {}); // after it was ready, `failed` tells
    await Promise.race([child.ready, ended]);
  }
}

/** What a user is told of a process that ended. */
export function endedError({ name, how, lastWords }: ChildEnd): MemtideError {
  return new MemtideError({
    operation: `keep the ${name} running`,
    expected: 'a process that runs until it is told to end',
    actual: [how, ...lastWords].join('\n            '),
    remedy: 'memtide doctor shows what this machine lacks',
  });
}
