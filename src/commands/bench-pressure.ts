import type { ExitCode } from '../errors.ts';
import { pressureText } from '../evaluation/bench/pressure/report.ts';
import { runPressure } from '../evaluation/bench/pressure/run.ts';
import { benchInRoom } from './bench-room.ts';
import type { CommandIo } from './io.ts';

/** `memtide bench --pressure`: the warm pool and the tiers where memory is short, beside where it is not. */
export async function benchPressureCommand(
  options: { readonly quick: boolean; readonly json: boolean },
  io: CommandIo,
): Promise<ExitCode> {
  return benchInRoom(options, io, (room) => runPressure({ ...room, quick: options.quick }), pressureText);
}
