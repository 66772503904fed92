/** Programs for the budget tests: real Node processes that allocate real memory. */
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { ProcessBudget } from '../../src/platforms/budget/contracts.ts';
import { type LaunchedProgram, launchInDomain } from '../../src/platforms/budget/launch.ts';

/**
 * Reads lines from standard input: `hold N` allocates and writes N MiB and answers `held` or `refused`, `drop` lets go of
 * everything, `fork N` starts a child that holds N MiB. Ends with its input.
 */
const HOLDER = `
  const { spawn } = require('node:child_process');
  let held = [];
  const children = [];
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const [verb, count] = line.split(' ');
    if (verb === 'hold') {
      try {
        held.push(new Uint8Array(Number(count) << 20).fill(1));
        console.log('held');
      } catch (error) {
        console.log(error instanceof RangeError ? 'refused' : 'failed ' + error);
      }
    } else if (verb === 'drop') {
      held = [];
      globalThis.gc();
      globalThis.gc(); // the first sweeps array buffers in the background, the second waits for that
      console.log('dropped');
    } else if (verb === 'fork') {
      const child = spawn(process.execPath, ['-e', process.argv[1]], { stdio: ['pipe', 'pipe', 'inherit'] });
      child.stdout.once('data', (answer) => console.log('forked ' + child.pid + ' ' + answer.toString().trim()));
      child.stdin.write('hold ' + count + '\\n');
      children.push(child);
    } else if (verb === 'own-limit') {
      console.log(require('node:fs').readFileSync('/proc/self/limits', 'utf8').match(/Max data size +(\\S+)/)[1]);
    }
  }).on('close', () => { for (const child of children) child.stdin.end(); });
`;

export class Holder {
  readonly #program: LaunchedProgram;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  static async start(budget: ProcessBudget): Promise<Holder> {
    const program = await launchInDomain({
      command: process.execPath,
      args: ['--expose-gc', '-e', HOLDER, HOLDER],
      budget,
      env: {},
      cwd: '/',
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    return new Holder(program);
  }

  private constructor(program: LaunchedProgram) {
    this.#program = program;
    this.#reader = createInterface({ input: this.#program.process.stdout! });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#program.pid!;
  }

  /** @returns the program's answer, or `undefined` when it ended instead of answering. */
  async ask(request: string): Promise<string | undefined> {
    this.#program.process.stdin!.write(`${request}\n`, () => {});
    const answer = await this.#lines.next();
    return answer.done ? undefined : answer.value;
  }

  /** Whether the program can have `mebibytes` more. */
  async holds(mebibytes: number): Promise<boolean> {
    return (await this.ask(`hold ${mebibytes}`)) === 'held';
  }

  async end(): Promise<number> {
    this.#program.process.stdin!.on('error', () => {}); // it may have been killed already
    this.#program.process.stdin!.end();
    const code = await this.#program.exitCode;
    if (!this.#program.process.stdout!.closed) await once(this.#program.process.stdout!, 'close');
    return code;
  }
}
