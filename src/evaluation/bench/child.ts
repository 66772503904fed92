import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemtideError } from '../../errors.ts';

/** A process of the bench that answers one call at a time. */
export class BenchChild {
  readonly #child: ChildProcess;
  readonly #name: string;
  #settle: (reply: { answer?: never; error?: string }) => void = () => {};

  /** @param module file name beside this one, without extension. */
  constructor(module: string, name: string) {
    const here = fileURLToPath(import.meta.url);
    this.#name = name;
    this.#child = fork(path.join(path.dirname(here), module + path.extname(here)), [], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Ctrl-C in the terminal goes to the bench alone, which then stops them in order; without it they end as well.
      detached: true,
    });
    this.#child.on('message', (reply) => this.#settle(reply as { answer?: never }));
    this.#child.on('exit', (code) => this.#settle({ error: `the process ended with code ${code}` }));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async call<Answer>(message: object): Promise<Answer> {
    const reply = await new Promise<{ answer?: Answer; error?: string }>((resolve) => {
      this.#settle = resolve;
      if (this.#child.connected) this.#child.send(message);
      else resolve({ error: 'the process has ended' });
    });
    if (reply.error !== undefined) {
      throw new MemtideError({ operation: `run the bench's ${this.#name}`, actual: reply.error });
    }
    return reply.answer as Answer;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    await ended;
  }
}
