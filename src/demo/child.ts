import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { APP_READY, type AppStart } from './app-process.ts';

export interface ChildStart {
  /** For people. */
  readonly name: string;
  /** The module to run, and its arguments. */
  readonly module: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes what the process says on standard error. */
  readonly logFile: string;
  /** What an application is told to be. */
  readonly app?: AppStart;
}

export interface ChildEnd {
  readonly name: string;
  /** `exit code 1`, `signal SIGKILL`. */
  readonly how: string;
  /** The last lines on standard error. */
  readonly lastWords: readonly string[];
}

const LAST_WORDS = 8;
/** Small heaps: an agent needs some 10 MiB, and each MiB is one that the demonstration cannot lend. */
const NODE_FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=96'];

/** A file beside this one, in source and compiled form alike. */
export function besideThis(module: string): string {
  const here = fileURLToPath(import.meta.url);
  return path.join(path.dirname(here), module + path.extname(here));
}

/**
 * One process of the demonstration. It leads a session of its own, so that Ctrl-C reaches only the parent, which then
 * ends the children in their order; should the parent be killed, the IPC channel closes and the child ends itself.
 */
export class Child {
  readonly name: string;
  /** Resolves when the process serves; never when it ends before. */
  readonly ready: Promise<void>;
  readonly ended: Promise<ChildEnd>;
  readonly #process: ChildProcess;
  readonly #lastWords: string[] = [];
  #over = false;

  constructor({ name, module, args, env, logFile, app }: ChildStart) {
    this.name = name;
    const preload = ['--import', pathToFileURL(besideThis('end-with-parent')).href];
    const child = spawn(process.execPath, [...NODE_FLAGS, ...preload, module, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...env },
      detached: true,
    });
    this.#process = child;
    this.#listen(createWriteStream(logFile, { flags: 'a' }));
    this.ready = new Promise((resolve) => {
      // Agents print a line when they serve; applications send a message.
      child.stdout!.once('data', () => resolve());
      child.on('message', (message) => message === APP_READY && resolve());
    });
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#over = true;
        resolve({ name, how, lastWords: this.#lastWords });
      };
      child.once('error', (error) => end(error.message));
      // 'close' comes after 'exit', when the last words are in.
      child.once('close', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
    if (app && child.connected) child.send(app);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Asks the process to end, and ends it after `graceMillis`. */
  async stop(graceMillis: number): Promise<void> {
    if (!this.#over) this.#process.kill('SIGTERM');
    const kill = setTimeout(() => this.#process.kill('SIGKILL'), graceMillis);
    await this.ended;
    clearTimeout(kill);
  }

  #listen(log: WriteStream): void {
    const { stderr } = this.#process;
    let rest = '';
    stderr!.setEncoding('utf8');
    stderr!.on('data', (text: string) => {
      log.write(text);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      this.#lastWords.push(...lines.filter((line) => line !== ''));
      this.#lastWords.splice(0, this.#lastWords.length - LAST_WORDS);
    });
    stderr!.on('end', () => {
      if (rest !== '') this.#lastWords.push(rest);
      log.end();
    });
    // A log that cannot be written must not end the demonstration; the last words are kept in memory.
    log.on('error', () => {});
  }
}
