import fs from 'node:fs';
import { type Connection, openConnection } from '../../../client/connection.ts';
import type { ArenaFacts } from '../../../coordination/backend-arena.ts';
import type { PlaneScheduling } from '../../../coordination/plane-constructs.ts';
import { RunFiles } from '../../../coordination/run-files.ts';
import { bytes, KIB, MIB } from '../../../units.ts';
import { PROBE } from '../bench-machine.ts';
import { BenchChild } from '../child.ts';
import { processCpuMicros } from '../cpu-time.ts';

/** Small chunks: 64 domains then have several each in an arena that any machine has room for. */
export const CHUNK_BYTES = 256 * KIB;
/** The same for every number of domains, as the memory of a machine is. */
export const ARENA_BYTES = 128 * MIB;
/** More in one process would wait for each other's start. */
export const FRONTS_PER_PROCESS = 16;

/** A back end with many domains; this process is an application of each. The last domain only shakes hands. */
export class DomainsMachine {
  readonly runDir: string;
  readonly apps: Connection[] = [];
  readonly #names: readonly string[];
  readonly #scheduling: PlaneScheduling;
  readonly #fronts: BenchChild[] = [];
  #backend: BenchChild | undefined;
  arena!: ArenaFacts;

  /** @param count domains in all, 2 or more. */
  constructor(runDir: string, count: number, scheduling: PlaneScheduling) {
    this.runDir = runDir;
    this.#scheduling = scheduling;
    this.#names = Array.from({ length: count - 1 }, (_, index) => `d${index + 1}`);
  }

  get #chunkCount(): number {
    return ARENA_BYTES / CHUNK_BYTES;
  }

  async start(): Promise<void> {
    fs.mkdirSync(this.runDir, { recursive: true, mode: 0o700 });
    const limits = { floorChunks: 0, ceilingChunks: this.#chunkCount, offerChunks: 0 };
    this.#backend = new BenchChild('bench-host', 'back end');
    this.arena = await this.#backend.call<ArenaFacts>({
      call: 'start',
      start: {
        role: 'backend',
        options: {
          runDir: this.runDir,
          arenaBytes: bytes(ARENA_BYTES),
          chunkBytes: CHUNK_BYTES,
          hugePages: 'auto',
          lock: true,
          allowPing: true,
          doorbell: 'futex',
          scheduling: this.#scheduling,
          mode: 'hypervisor',
          stuckBackoffMillis: 1,
          domains: [...this.#names, PROBE].map((name) => ({ name, limits })),
        },
      },
    });
    for (let from = 0; from < this.#names.length; from += FRONTS_PER_PROCESS) {
      const domains = this.#names.slice(from, from + FRONTS_PER_PROCESS);
      const fronts = new BenchChild('domains/front-hosts', `front ends of ${domains[0]} to ${domains.at(-1)}`);
      this.#fronts.push(fronts);
      await fronts.call({ call: 'start', runDir: this.runDir, domains, scheduling: this.#scheduling });
    }
    const files = new RunFiles(this.runDir);
    for (const name of this.#names) this.apps.push(await openConnection(files.domain(name).socket));
  }

  /** Keeps that many chunks offered to each domain but the last. */
  async offer(chunks: number): Promise<void> {
    for (const domain of this.#names) {
      await this.#backend!.call({ call: 'limits', domain, floor: 0, ceiling: this.#chunkCount, offer: chunks });
    }
  }

  /** CPU time of the back end's process, in microseconds. */
  backendCpuMicros(): number {
    return processCpuMicros(this.#backend!.pid);
  }

  frontCpuMicros(): number {
    return this.#fronts.reduce((sum, { pid }) => sum + processCpuMicros(pid), 0);
  }

  /** Private memory of the back end's process and of all front ends' processes. The arena is not in it. */
  privateMib(): { readonly backend: number; readonly fronts: number } {
    return {
      backend: anonymousMib(this.#backend!.pid),
      fronts: this.#fronts.reduce((sum, { pid }) => sum + anonymousMib(pid), 0),
    };
  }

  /** Bytes of one domain's control file. */
  controlBytes(): number {
    return fs.statSync(new RunFiles(this.runDir).domain(this.#names[0]!).control).size;
  }

  async stop(): Promise<void> {
    for (const app of this.apps.splice(0)) await app.close();
    for (const child of [...this.#fronts.splice(0), ...(this.#backend ? [this.#backend] : [])]) {
      await child.call({ call: 'stop' });
      await child.stop();
    }
    this.#backend = undefined;
    fs.rmSync(this.runDir, { recursive: true, force: true });
  }
}

function anonymousMib(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
}
