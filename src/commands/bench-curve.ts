import { checkConfig } from '../config/load.ts';
import type { ExitCode } from '../errors.ts';
import { curveText } from '../evaluation/bench/curve/report.ts';
import { runCurve } from '../evaluation/bench/curve/run.ts';
import { benchInRoom } from './bench-room.ts';
import type { CommandIo } from './io.ts';

/** `memtide bench --curve`: burst latency against idle memory, beside the static split, on each recording. */
export async function benchCurveCommand(
  options: { readonly quick: boolean; readonly json: boolean },
  io: CommandIo,
): Promise<ExitCode> {
  const missTarget = checkConfig({}).policy.miss_target;
  return benchInRoom(options, io, (room) => runCurve({ ...room, quick: options.quick, missTarget }), curveText);
}
