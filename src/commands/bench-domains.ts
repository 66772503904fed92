import type { ExitCode } from '../errors.ts';
import { domainsText } from '../evaluation/bench/domains/report.ts';
import { runDomains } from '../evaluation/bench/domains/run.ts';
import { benchInRoom } from './bench-room.ts';
import type { CommandIo } from './io.ts';

/** `memtide bench --domains`: what one back end costs with 2 to 64 domains. */
export async function benchDomainsCommand(
  options: { readonly quick: boolean; readonly json: boolean },
  io: CommandIo,
): Promise<ExitCode> {
  return benchInRoom(options, io, (room) => runDomains({ ...room, quick: options.quick }), domainsText);
}
