/**
 * GPIO lines through the programs of libgpiod, for kernels without sysfs GPIO. Every change of an output starts a
 * process, some milliseconds: good enough to see a burst on a scope, not to time it.
 *
 * Versions 1 and 2 differ in their flags (`gpioset --version` tells which):
 *
 *                   libgpiod 1.x                                    libgpiod 2.x
 *     hold          gpioset --mode=signal CHIP LINE=VALUE           gpioset --chip CHIP LINE=VALUE
 *     set and end   gpioset --mode=exit CHIP LINE=VALUE             gpioset --toggle 0 --chip CHIP LINE=VALUE
 *     watch         gpiomon --line-buffered --format=%e CHIP LINE   gpiomon --format=%e --chip CHIP LINE
 *     %e, rising    1                                               1
 *     %e, falling   0                                               2
 *
 * gpioset 2.x could be driven through one process (`--interactive`), but at the end of its input it spins for ever: an
 * agent that dies would leave a busy CPU behind. A holder that is left behind only keeps its line: the next start finds
 * the line in use and says so.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import { promisify } from 'node:util';
import { errorCode, errorMessage } from '../errors.ts';
import { chooseChip } from './gpio-chips.ts';
import type { GpioInput, GpioOutput, GpioResult, OnEdge, OnFailure } from './gpio-line.ts';
import type { GpioBinding } from './profile.ts';

export interface ProgramAccess {
  /** Environment of the programs: PATH finds them. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The major version in `gpioset (libgpiod) v1.6.3`, or `undefined` if the text is something else. */
export function libgpiodMajor(versionText: string): 1 | 2 | undefined {
  const major = /\(libgpiod\) v(\d+)\./.exec(versionText)?.[1];
  return major === '1' ? 1 : major === '2' ? 2 : undefined;
}

export interface DetectedChip {
  readonly name: string;
  readonly label: string;
  readonly lines: number;
}

/** The chips that `gpiodetect` lists: `gpiochip0 [pinctrl-bcm2711] (58 lines)`, the same in both versions. */
export function parseGpiodetect(text: string): DetectedChip[] {
  return [...text.matchAll(/^(\S+) \[(.*)\] \((\d+) lines?\)$/gm)].map((match) => ({
    name: match[1]!,
    label: match[2]!,
    lines: Number(match[3]),
  }));
}

export async function openProgramOutput(
  binding: GpioBinding,
  onFailure: OnFailure,
  access: ProgramAccess,
): Promise<GpioResult<GpioOutput>> {
  const found = await findLine(binding, access);
  if (!found.ok) return found;
  const { chip, major } = found.line;
  const polarity = binding.active_low ? ['--active-low'] : [];
  const target = (value: 0 | 1) => [...(major === 2 ? ['--chip'] : []), chip, `${binding.line}=${value}`];
  const leave = major === 1 ? ['--mode=exit'] : ['--toggle', '0'];
  const rest = () => run('gpioset', [...leave, ...polarity, ...target(0)], access);
  try {
    // This is where a missing right, or a line in use, shows.
    await rest();
  } catch (error) {
    return { ok: false, reason: explain(error) };
  }
  const hold = major === 1 ? ['--mode=signal'] : [];
  const holder = new Holder((value) => start('gpioset', [...hold, ...polarity, ...target(value)], access), onFailure);
  return {
    ok: true,
    line: {
      via: 'libgpiod',
      set: (value) => holder.hold(value),
      close: async () => {
        await holder.release();
        await rest().catch((error: unknown) => onFailure(explain(error)));
      },
    },
  };
}

export async function openProgramInput(
  binding: GpioBinding,
  onEdge: OnEdge,
  onFailure: OnFailure,
  access: ProgramAccess,
): Promise<GpioResult<GpioInput>> {
  const found = await findLine(binding, access);
  if (!found.ok) return found;
  const { chip, major } = found.line;
  const flags = major === 1 ? ['--line-buffered', '--format=%e'] : ['--format=%e'];
  const polarity = binding.active_low ? ['--active-low'] : [];
  const target = [...(major === 2 ? ['--chip'] : []), chip, String(binding.line)];
  const monitor = start('gpiomon', [...flags, ...polarity, ...target], access);
  readline.createInterface({ input: monitor.stdout! }).on('line', (event) => onEdge(event.trim() === '1' ? 1 : 0));
  let closing = false;
  watchEnd(monitor, (reason) => {
    if (!closing) onFailure(`gpiomon ended: ${reason}`);
  });
  return {
    ok: true,
    line: {
      via: 'libgpiod',
      close: async () => {
        closing = true;
        await stop(monitor);
      },
    },
  };
}

/**
 * Keeps one `gpioset` alive that holds the line. A new value needs a new process, and that can request the line only
 * when the old one is gone; values that come faster are skipped but for the last.
 */
class Holder {
  readonly #start: (value: 0 | 1) => ChildProcess;
  readonly #onFailure: OnFailure;
  #process: ChildProcess | undefined;
  #held: 0 | 1 = 0;
  #wanted: 0 | 1 = 0;
  #working: Promise<void> | undefined;

  constructor(start: (value: 0 | 1) => ChildProcess, onFailure: OnFailure) {
    this.#start = start;
    this.#onFailure = onFailure;
  }

  hold(value: 0 | 1): void {
    this.#wanted = value;
    this.#working ??= this.#follow().finally(() => {
      this.#working = undefined;
    });
  }

  /** Lets go of the line, whatever its level is then. */
  async release(): Promise<void> {
    this.#wanted = this.#held;
    await this.#working;
    if (this.#process) await stop(this.#process);
  }

  async #follow(): Promise<void> {
    while (this.#held !== this.#wanted) {
      const value = this.#wanted;
      if (this.#process) await stop(this.#process);
      const holder = this.#start(value);
      this.#process = holder;
      this.#held = value;
      watchEnd(holder, (reason) => {
        if (this.#process === holder && !holder.killed) this.#onFailure(`gpioset ended: ${reason}`);
      });
    }
  }
}

async function findLine(
  { chip_label, line }: GpioBinding,
  access: ProgramAccess,
): Promise<GpioResult<{ readonly chip: string; readonly major: 1 | 2 }>> {
  try {
    const version = await run('gpioset', ['--version'], access);
    const major = libgpiodMajor(version);
    if (major === undefined) {
      return { ok: false, reason: `gpioset is of a version that is not known: ${version.split('\n')[0]}` };
    }
    const choice = chooseChip(parseGpiodetect(await run('gpiodetect', [], access)), chip_label, line);
    return choice.ok ? { ok: true, line: { chip: choice.chip.name, major } } : choice;
  } catch (error) {
    return { ok: false, reason: explain(error) };
  }
}

async function run(program: string, options: readonly string[], { env }: ProgramAccess): Promise<string> {
  return (await promisify(execFile)(program, options, { env, timeout: 5000 })).stdout;
}

const start = (program: string, options: readonly string[], { env }: ProgramAccess): ChildProcess =>
  spawn(program, options, { env, stdio: ['ignore', 'pipe', 'pipe'] });

async function stop(program: ChildProcess): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null || program.pid === undefined) return;
  const ended = once(program, 'exit');
  program.kill('SIGTERM');
  await ended;
}

/** Calls `onEnd` once, when the program ends or cannot be started, with its last words. */
function watchEnd(program: ChildProcess, onEnd: (reason: string) => void): void {
  let words = '';
  program.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = `${words}${text}`.slice(-500);
  });
  program.once('error', (error) => onEnd(explain(error)));
  program.once('close', (code, signal) => onEnd(words.trim() || `code ${code ?? signal}`));
}

function explain(error: unknown): string {
  if (errorCode(error) === 'ENOENT') return 'the programs of libgpiod are not installed (Debian: apt install gpiod)';
  const words = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  return words || errorMessage(error);
}
