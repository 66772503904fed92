/** The dashboard put together: what the broker tells goes into the history, and on to every page that is open. */
import { randomBytes } from 'node:crypto';
import { VERSION } from '../../agent/version.ts';
import type { Clock } from '../../clock.ts';
import { adjtimexReader } from '../../telemetry/clock-sync.ts';
import { clockLine, headerLine } from '../../telemetry/drive/format.ts';
import { readBootId } from '../../telemetry/stamp.ts';
import { isLoopback } from './access.ts';
import { type BrokerAccess, BrokerFeed } from './broker-feed.ts';
import { DashboardServer } from './dashboard-server.ts';
import { DriveFiles } from './drive-files.ts';
import { DriveHistory } from './drive-history.ts';
import { readPageFiles } from './page-files.ts';

export interface DashboardOptions {
  readonly host: string;
  readonly port: number;
  readonly broker: BrokerAccess;
  /** Folders of recorded drives, for the page to open. */
  readonly driveFolders: readonly string[];
  readonly clock: Clock;
  readonly procRoot: string;
}

/** Ten times a second: motion that is seen, and little to do. */
const SEND_MILLIS = 100;
/** As the format of drives has it. */
const CLOCK_MILLIS = 10_000;

export class Dashboard {
  readonly #options: DashboardOptions;
  readonly #history = new DriveHistory();
  readonly #server: DashboardServer;
  readonly #feed: BrokerFeed;
  readonly #token: string | undefined;
  readonly #boot: string;
  readonly #readSync = adjtimexReader();
  /** Retained reports by domain and kind, with the numbers of their lines: they must outlive the history's oldest lines. */
  readonly #retained = new Map<string, { readonly line: string; readonly number: number }>();
  readonly #timers: NodeJS.Timeout[] = [];
  #waiting: string[] = [];

  constructor(options: DashboardOptions) {
    this.#options = options;
    this.#boot = readBootId(options.procRoot).id;
    this.#token = isLoopback(options.host) ? undefined : randomBytes(18).toString('base64url');
    this.#feed = new BrokerFeed({
      broker: options.broker,
      clock: options.clock,
      onLine: (line, report, domain) => {
        const number = this.#history.next + this.#waiting.length;
        if (report === 'state' || report === 'info') this.#retained.set(`${domain}/${report}`, { line, number });
        this.#waiting.push(line);
      },
      onState: (state) => this.#server.sendBrokerState(state),
    });
    this.#server = new DashboardServer({
      host: options.host,
      port: options.port,
      ...(this.#token === undefined ? {} : { token: this.#token }),
      files: readPageFiles(),
      history: this.#history,
      drives: new DriveFiles(options.driveFolders),
      preamble: () => this.#preamble(),
      brokerState: () => this.#feed.state,
      mark: (source, label) => this.#feed.mark(source, label),
    });
  }

  /** @returns the URL to open, with its token where one is needed. @throws MemtideError when the port cannot be had. */
  async start(): Promise<string> {
    const { host } = this.#options;
    const port = await this.#server.start();
    this.#timers.push(
      setInterval(() => this.#send(), SEND_MILLIS),
      setInterval(() => this.#waiting.push(this.#clock()), CLOCK_MILLIS),
    );
    await this.#feed.start();
    const query = this.#token === undefined ? '' : `?token=${this.#token}`;
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}/${query}`;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#feed.stop();
    await this.#server.stop();
  }

  #send(): void {
    if (this.#waiting.length === 0) return;
    const lines = this.#waiting;
    this.#waiting = [];
    for (const line of lines) this.#history.append(line);
    this.#server.sendLines(lines.join(''), this.#history.next);
  }

  /** What every drive begins with: who records, by which clock, and what is retained of before its first line. */
  #preamble(): string {
    const before = [...this.#retained.values()].filter(({ number }) => number < this.#history.first);
    return `${this.#header()}${this.#clock()}${before.map(({ line }) => line).join('')}`;
  }

  #header(): string {
    return headerLine({ vehicle: this.#feed.state.vehicle ?? '', recorder: `memtide ${VERSION}`, boot: this.#boot });
  }

  #clock(): string {
    const { clock } = this.#options;
    const sync = this.#readSync();
    return clockLine({
      monoMillis: clock.monotonicMicros() / 1000,
      wallMillis: clock.wallMillis(),
      ...(sync.known ? { synced: sync.synced } : {}),
    });
  }
}
