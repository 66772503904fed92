/** `memtide telemetry schema`: what is on the wire. */
import { backendCommands, type CommandedBackend } from '../agent/backend-commands.ts';
import { type CommandedDomain, domainCommands } from '../agent/domain-commands.ts';
import { EXIT, type ExitCode } from '../errors.ts';
import { wireDocument } from '../telemetry/json-schema.ts';
import type { CommandIo } from './io.ts';

/** Prints the wire schema as JSON Schema. */
export async function telemetrySchemaCommand(io: CommandIo): Promise<ExitCode> {
  // Described, and never run: nobody stands behind them.
  const commands = { ...backendCommands({} as CommandedBackend), ...domainCommands({} as CommandedDomain) };
  io.stdout.write(`${JSON.stringify(wireDocument(commands), undefined, 2)}\n`);
  return EXIT.ok;
}
