/** `memtide config schema | check FILE | show [FILE]`: what may be configured, whether a file is right, what it comes to. */
import { resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { configJsonSchema, configReference } from '../config/reference.ts';
import { EXIT, type ExitCode } from '../errors.ts';
import type { CommandIo } from './io.ts';

export interface ConfigSchemaOptions {
  /** JSON Schema instead of the table for people. */
  readonly json?: boolean;
}

/** Width at which descriptions stay readable, however wide the terminal. */
const MAX_COLUMNS = 100;

/** Prints every key with its accepted form, default and reason. */
export async function configSchemaCommand({ json = false }: ConfigSchemaOptions, io: CommandIo): Promise<ExitCode> {
  io.stdout.write(
    json ? `${JSON.stringify(configJsonSchema(), null, 2)}\n` : configReference(Math.min(io.columns, MAX_COLUMNS)),
  );
  return EXIT.ok;
}

/** Says whether `file` is a valid configuration. @throws MemtideError that names every key to change. */
export async function configCheckCommand({ file }: { readonly file: string }, io: CommandIo): Promise<ExitCode> {
  loadConfig(resolve(io.cwd, file));
  io.stdout.write(`${file}: valid\n`);
  return EXIT.ok;
}

/** Prints the effective configuration, defaults filled in, as JSON that can be used as a file. @throws MemtideError */
export async function configShowCommand({ file }: { readonly file?: string }, io: CommandIo): Promise<ExitCode> {
  const config = loadConfig(file === undefined ? undefined : resolve(io.cwd, file));
  io.stdout.write(`${JSON.stringify(config, null, 2)}\n`);
  return EXIT.ok;
}
