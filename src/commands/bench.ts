import type { ExitCode } from '../errors.ts';
import { reportText } from '../evaluation/bench/report.ts';
import { runBench } from '../evaluation/bench/run.ts';
import { benchInRoom } from './bench-room.ts';
import type { CommandIo } from './io.ts';

export interface BenchCommandOptions {
  readonly quick: boolean;
  readonly json: boolean;
  /** Sizes of allocation in bytes. Default: 64 KiB to 256 MiB. */
  readonly sizes?: readonly number[];
}

/** `memtide bench`: inter-domain memory beside every local way, in one run. @param mainModule to start agents with. */
export async function benchCommand(options: BenchCommandOptions, io: CommandIo, mainModule: string): Promise<ExitCode> {
  const { quick, sizes } = options;
  return benchInRoom(
    options,
    io,
    (room) => runBench({ ...room, quick, mainModule, ...(sizes && { sizes }) }),
    reportText,
  );
}
