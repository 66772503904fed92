import { resolve } from 'node:path';
import { EXIT, type ExitCode, MemtideError } from '../errors.ts';
import { replayStudyText } from '../evaluation/replay/xen/report.ts';
import { CONTROLS, RIVALS } from '../evaluation/replay/xen/rivals.ts';
import { readSettings } from '../evaluation/replay/xen/settings.ts';
import { runReplayStudy } from '../evaluation/replay/xen/study.ts';
import { benchInRoom } from './bench-room.ts';
import type { CommandIo } from './io.ts';

export interface BenchXenReplayOptions {
  /** Settings of the board. */
  readonly xenReplay: string;
  /** Of the rivals, by name; spaces may be left out or be dashes. */
  readonly cases?: readonly string[];
  readonly rounds?: number;
  readonly quick: boolean;
  readonly json: boolean;
}

const ROUNDS = 3;
const QUICK_ROUNDS = 1;

/** `memtide bench --xen-replay`, in dom0: both guests play the recordings under every rival. */
export async function benchXenReplayCommand(options: BenchXenReplayOptions, io: CommandIo): Promise<ExitCode> {
  const { xenReplay, cases, quick, rounds = quick ? QUICK_ROUNDS : ROUNDS } = options;
  const settings = readSettings(resolve(io.cwd, xenReplay));
  const rivals = cases === undefined ? RIVALS : cases.map(rivalOf);
  return benchInRoom(
    options,
    io,
    ({ progress, signal }) => runReplayStudy({ ...settings, rivals, rounds, progress, signal }),
    replayStudyText,
  );
}

const plain = (name: string): string => name.replaceAll(' ', '-');

function rivalOf(name: string): (typeof RIVALS)[number] {
  const known = [...RIVALS, ...CONTROLS];
  const rival = known.find((each) => plain(each.name) === plain(name));
  if (rival) return rival;
  throw new MemtideError({
    operation: 'choose the rivals',
    object: name,
    expected: known.map((each) => plain(each.name)).join(', '),
    actual: 'no such rival',
    remedy: 'name some of these, or leave --cases out',
    exitCode: EXIT.usage,
  });
}
