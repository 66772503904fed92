import { EXIT, type ExitCode } from '../errors.ts';
import { BenchDom0 } from '../evaluation/bench/xen/dom0.ts';
import { openGuest } from '../evaluation/bench/xen/guest.ts';
import { xenBenchText } from '../evaluation/bench/xen/report.ts';
import { DEFAULT_SIZES, runXenBench } from '../evaluation/bench/xen/run.ts';
import { mebibytes } from '../units.ts';
import { benchInRoom } from './bench-room.ts';
import type { CommandIo } from './io.ts';
import { chooseRunDir } from './run-dir.ts';

export interface BenchXenOptions {
  /** In a guest: ADDRESS:PORT of the bench in dom0. */
  readonly xen?: string;
  readonly xenDonor?: string;
  /** In dom0: where to listen. */
  readonly xenDom0?: string;
  /** In dom0: settings of what is played in two guests. */
  readonly xenReplay?: string;
  readonly sizesMib?: readonly number[];
  readonly cases?: readonly string[];
  readonly rounds?: number;
  readonly minutes?: number;
  readonly quick: boolean;
  readonly json: boolean;
}

const ROUNDS = 10;
const QUICK_ROUNDS = 3;

/** `memtide bench --xen`: every way in which a guest comes to memory. It takes three programs: in dom0, in a donor, here. */
export async function benchXenCommand(options: BenchXenOptions, io: CommandIo): Promise<ExitCode> {
  const { xenReplay } = options;
  if (xenReplay !== undefined)
    return (await import('./bench-xen-replay.ts')).benchXenReplayCommand({ ...options, xenReplay }, io);
  if (options.xenDom0 !== undefined) return serve(options.xenDom0, io);
  if (options.xenDonor !== undefined) return give(options.xenDonor, io);
  const runDir = chooseRunDir(undefined, io);
  const { quick, rounds = quick ? QUICK_ROUNDS : ROUNDS, minutes, sizesMib, cases } = options;
  const sizes = sizesMib?.map(mebibytes) ?? DEFAULT_SIZES;
  return benchInRoom(
    options,
    io,
    ({ progress, signal }) =>
      runXenBench({
        dom0: options.xen!,
        runDir,
        rounds,
        sizes,
        ...(minutes !== undefined && { minutes }),
        ...(cases && { cases }),
        progress,
        signal,
      }),
    xenBenchText,
  );
}

async function serve(address: string, io: CommandIo): Promise<ExitCode> {
  const [, host = '127.0.0.1', port = '4711'] = /^(.+):(\d+)$/.exec(address) ?? [undefined, address];
  const dom0 = await BenchDom0.listen(host, Number(port));
  io.stdout.write(`memtide bench: dom0 serves at ${host}:${port}; Ctrl-C ends it\n`);
  await interrupted(io);
  await dom0.stop();
  return EXIT.ok;
}

async function give(address: string, io: CommandIo): Promise<ExitCode> {
  const { dom0, domain } = await openGuest(address, 'donor');
  io.stdout.write(`memtide bench: ${domain} is the donor; Ctrl-C ends it\n`);
  await Promise.race([interrupted(io), dom0.gone]);
  dom0.end();
  return EXIT.ok;
}

const interrupted = ({ signal }: CommandIo): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });
