import { Writable } from 'node:stream';
import type { CommandIo } from '../../src/commands/io.ts';

class Kept extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** A terminal for a command that keeps what is written. */
export function fakeIo(
  options: Partial<CommandIo> = {},
): CommandIo & { readonly written: () => string; readonly errors: () => string } {
  const [stdout, stderr] = [new Kept(), new Kept()];
  return {
    stdout,
    stderr,
    env: {},
    cwd: '/',
    signal: new AbortController().signal,
    interactive: false,
    columns: 80,
    ...options,
    written: () => stdout.text,
    errors: () => stderr.text,
  };
}
