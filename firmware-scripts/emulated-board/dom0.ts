/** Orders to dom0: scripts that it finds in the folder it shares with this machine, and runs one beside the other. */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemtideError } from '../../src/errors.ts';

const POLL_MILLIS = 100;
/** dom0 says every five seconds that it lives; beside other work it took up to five times as long. */
const DEAF_MILLIS = 120_000;

export interface Outcome {
  readonly code: number;
  readonly output: string;
}

export interface OrderOptions {
  readonly deadlineSeconds: number;
  /** Told what the script says, as it says it. */
  readonly onOutput?: (text: string) => void;
}

/**
 * dom0 takes no orders any more: it waits for a timer that does not come. Seen in about one boot of twenty: a CPU of dom0 gets
 * no timer interrupts from some moment on, and nothing but another boot helps.
 */
export class DeafDom0 extends MemtideError {}

export class Dom0 {
  readonly #share: string;
  readonly #ended: Promise<never>;
  #orders = 0;

  /** @param ended rejects when the board is gone. */
  constructor(share: string, ended: Promise<never>) {
    this.#share = share;
    this.#ended = ended;
  }

  /** Runs a shell script in dom0. @throws MemtideError when it is not done in time. */
  async run(script: string, { deadlineSeconds, onOutput }: OrderOptions): Promise<Outcome> {
    const number = ++this.#orders;
    const file = (kind: string): string => path.join(this.#share, `${kind}.${number}`);
    fs.writeFileSync(file('next'), script);
    fs.renameSync(file('next'), file('order'));
    const until = performance.now() + deadlineSeconds * 1000;
    let told = 0;
    for (;;) {
      const done = fs.existsSync(file('code'));
      if (onOutput && fs.existsSync(file('out'))) {
        const bytes = fs.readFileSync(file('out'));
        if (bytes.length > told) onOutput(bytes.toString('utf8', told));
        told = bytes.length;
      }
      if (done)
        return { code: Number(fs.readFileSync(file('code'), 'utf8')), output: fs.readFileSync(file('out'), 'utf8') };
      if (performance.now() > until) throw this.#late(script, deadlineSeconds, file('out'));
      if (this.#silentMillis() > DEAF_MILLIS) throw deaf(script);
      await Promise.race([sleep(POLL_MILLIS), this.#ended]);
    }
  }

  /** The same, where only exit code 0 will do. @returns what it said. */
  async must(script: string, options: OrderOptions): Promise<string> {
    const { code, output } = await this.run(script, options);
    if (code === 0) return output;
    throw new MemtideError({
      operation: 'run a script in dom0',
      object: firstLine(script),
      expected: 'exit code 0',
      actual: `exit code ${code}: ${output.trim()}`,
      remedy: 'look into the console logs',
    });
  }

  #silentMillis(): number {
    const alive = fs.statSync(path.join(this.#share, 'alive'), { throwIfNoEntry: false });
    return alive === undefined ? 0 : Date.now() - alive.mtimeMs;
  }

  #late(script: string, deadlineSeconds: number, outFile: string): MemtideError {
    if (!fs.existsSync(outFile)) return deaf(script);
    const output = fs.readFileSync(outFile, 'utf8').trim();
    return new MemtideError({
      operation: 'run a script in dom0',
      object: firstLine(script),
      expected: `an end within ${deadlineSeconds} s`,
      actual: output === '' ? 'nothing said so far' : `said so far: ${output}`,
      remedy: 'look into the console logs',
    });
  }
}

const deaf = (script: string): DeafDom0 =>
  new DeafDom0({
    operation: 'run a script in dom0',
    object: firstLine(script),
    expected: 'that dom0 takes orders',
    actual: 'it does not any more: one of its CPUs may have lost its timer',
    remedy: 'boot the board once more',
  });

const firstLine = (script: string): string => script.trim().split('\n', 1)[0] ?? '';
