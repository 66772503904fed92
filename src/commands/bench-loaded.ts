import type { ExitCode } from '../errors.ts';
import { loadedText } from '../evaluation/bench/loaded/report.ts';
import { runLoaded } from '../evaluation/bench/loaded/run.ts';
import { benchInRoom } from './bench-room.ts';
import type { CommandIo } from './io.ts';

/** `memtide bench --loaded`: what scheduler constructs do for the fast plane beside programs that keep the CPUs busy. */
export async function benchLoadedCommand(
  options: { readonly quick: boolean; readonly json: boolean },
  io: CommandIo,
): Promise<ExitCode> {
  return benchInRoom(options, io, (room) => runLoaded({ ...room, quick: options.quick }), loadedText);
}
