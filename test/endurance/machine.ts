import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openControlFile } from '../../src/control/control-file.ts';
import { STATE } from '../../src/control/layout.ts';
import { Ledger } from '../../src/control/ledger.ts';
import { OWNER, openOwnersFile, ownedBy } from '../../src/control/owner-table.ts';
import { readArenaInfo } from '../../src/coordination/arena-info.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { MAIN } from '../command-line.ts';

/** A machine whose processes are killed: back end, agents and applications, each a process, with the compiled CLI. */
const here = fileURLToPath(import.meta.url);
const extension = path.extname(here);
const APPLICATION = path.join(path.dirname(here), `application${extension}`);
const PATIENCE_MILLIS = 30_000;

export const DOMAINS = ['cluster', 'infotainment'] as const;

interface Report {
  readonly ready?: boolean;
  readonly fault?: string;
  readonly served?: number;
  readonly askedAtMicros?: number;
}

export class Victim {
  readonly name: string;
  readonly domain: string | undefined;
  readonly #arguments: readonly string[];
  process!: ChildProcess;
  /** When it said that it is ready, on the clock that all processes share. */
  readyAtMicros = 0;
  last: Report = {};
  complaints = '';
  #ended = false;

  constructor(name: string, domain: string | undefined, args: readonly string[]) {
    this.name = name;
    this.domain = domain;
    this.#arguments = args;
  }

  /** @param onFault told what an application found. */
  async start(onFault: (fault: string) => void): Promise<void> {
    const child = spawn(process.execPath, this.#arguments, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.process = child;
    this.#ended = false;
    this.complaints = '';
    child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      this.complaints = (this.complaints + chunk).slice(-4000);
    });
    const lines = readline.createInterface({ input: child.stdout! });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        if (!line.startsWith('{')) return resolve(); // an agent
        this.last = JSON.parse(line) as Report;
        if (this.last.fault) onFault(this.last.fault);
        if (this.last.ready) resolve();
      });
      child.once('exit', (code, signal) =>
        reject(new Error(`${this.name} ended with ${code ?? signal}: ${this.complaints}`)),
      );
    });
    this.readyAtMicros = nowMicros();
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Whether it has ended although nobody ended it. */
  get failed(): boolean {
    return this.process !== undefined && !this.running && !this.#ended;
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (!this.running) return;
    this.#ended = true;
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    await ended;
  }
}

export class Machine {
  readonly folder = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'memtide-kills-'));
  readonly files = new RunFiles(path.join(this.folder, 'run'));
  readonly faults: string[] = [];
  readonly backend: Victim;
  readonly agents: readonly Victim[];
  readonly workers: readonly Victim[];
  readonly holders: readonly Victim[];
  readonly probers: readonly Victim[];

  /** @param probed the domain whose applications only probe; none unless it is named. */
  constructor(seed: number, probed?: (typeof DOMAINS)[number]) {
    const config = path.join(this.folder, 'memtide.json');
    const domains = DOMAINS.map((name) => ({ name, floor_mib: 16, ceiling_mib: 96, budget_mib: 32 }));
    fs.writeFileSync(
      config,
      JSON.stringify({
        run_dir: this.files.directory,
        total_mib: 144,
        domains,
        mqtt: { embedded: { port: 0 } },
        policy: { reclaim_deadline_ms: 50, stuck_backoff_s: 1 },
        log: { level: 'warn' },
      }),
    );
    const agent = (...args: string[]): string[] => [MAIN, 'agent', '--config', config, ...args];
    const application = (domain: string, role: string, at: number): Victim =>
      new Victim(`${role} of ${domain}`, domain, [APPLICATION, this.files.directory, domain, String(seed + at), role]);
    this.backend = new Victim('back end', undefined, agent('--role', 'backend'));
    this.agents = DOMAINS.map((name) => new Victim(`agent of ${name}`, name, agent('--domain', name)));
    const sound = DOMAINS.filter((name) => name !== probed);
    this.workers = [...sound, ...sound].map((name, at) => application(name, 'worker', at));
    this.holders = sound.map((name, at) => application(name, 'holder', 10 + at));
    this.probers = probed === undefined ? [] : [application(probed, 'prober', 20)];
  }

  get all(): readonly Victim[] {
    return [this.backend, ...this.agents, ...this.holders, ...this.workers, ...this.probers];
  }

  async start(): Promise<void> {
    for (const each of this.all) await this.startOne(each);
  }

  startOne(victim: Victim): Promise<void> {
    return victim.start((fault) => this.faults.push(fault));
  }

  /** Ends the applications in order, so that they release what they hold; then the agents. */
  async stop(): Promise<void> {
    for (const each of [...this.all].reverse()) {
      if (each.process?.pid !== undefined && each.running) each.process.kill('SIGCONT');
      if (each.process) await each.end('SIGTERM');
    }
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  /** Kills one and starts it again. @returns how long after that it took until a domain was served by it, in ms. */
  async killAndRestart(victim: Victim): Promise<number | undefined> {
    await victim.end('SIGKILL');
    await this.startOne(victim);
    if (victim.domain !== undefined && !this.agents.includes(victim)) return undefined;
    // Served by it: a request that the application could not meet by itself.
    const waiting = [...this.holders, ...this.workers].filter(
      ({ domain }) => victim.domain === undefined || domain === victim.domain,
    );
    const asked = (): number => Math.max(...waiting.map(({ last }) => last.askedAtMicros ?? 0));
    await this.until(() => asked() > victim.readyAtMicros, `a request to be served after ${victim.name} came back`);
    return (asked() - victim.readyAtMicros) / 1000;
  }

  /** Looks until it is so; what it waits for has no event. */
  async until(is: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const giveUp = performance.now() + PATIENCE_MILLIS;
    while (!(await is())) {
      for (const each of this.all) {
        if (each.failed) throw new Error(`${each.name} ended by itself: ${each.complaints}`);
      }
      if (performance.now() > giveUp) throw new Error(`waited in vain for ${what}`);
      await wait(5);
    }
  }

  /** What each domain has written that no honest party writes, by the back end's count. */
  async violations(): Promise<Record<(typeof DOMAINS)[number], number>> {
    const child = spawn(process.execPath, [MAIN, 'status', '--json', '--run-dir', this.files.directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { backend } = JSON.parse(await text(child.stdout!)) as {
      backend: { domains: { name: string; violations: number }[] };
    };
    return Object.fromEntries(backend.domains.map(({ name, violations }) => [name, violations])) as never;
  }

  /** With no application left: every chunk is accounted for, by books and ledgers alike, and in nobody's use. */
  async checkBooks(): Promise<void> {
    const info = readArenaInfo(this.files.arenaInfo)!;
    const chunkCount = info.arena.byteLength / info.chunkBytes;
    const owners = openOwnersFile(this.files.owners, { chunkCount, arenaId: info.arenaId }, 'read');
    const ledgers = DOMAINS.map((name) => {
      const { file, identity } = openControlFile(this.files.domain(name).control);
      return new Ledger(file, identity);
    });
    const unused: readonly number[] = [STATE.offered, STATE.reserved];
    let present = 0;
    const atRest = (): boolean => {
      present = 0;
      for (let chunk = 0; chunk < chunkCount; chunk++) {
        const owner = owners[chunk]!;
        if (owner !== OWNER.absent) present++;
        for (const [pair, ledger] of ledgers.entries()) {
          const state = ledger.peek(chunk) & 0xf;
          if (owner === ownedBy(pair) ? !unused.includes(state) : state !== STATE.none) return false;
        }
      }
      return true;
    };
    await this.until(atRest, 'all memory to be offered, in reserve or free');
    assert.equal(present, (144 - 2 * 32) / 2, 'no chunk is lost');
  }
}

const nowMicros = (): number => Number(process.hrtime.bigint() / 1000n);
