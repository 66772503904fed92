/** Runs the bench of Xen's guests where it belongs: a program in dom0, one in a guest that gives, one in the guest that is measured. */
import fs from 'node:fs';
import path from 'node:path';
import { MemtideError } from '../../src/errors.ts';
import { xenBenchText } from '../../src/evaluation/bench/xen/report.ts';
import type { XenBenchResult } from '../../src/evaluation/bench/xen/result.ts';
import type { Board } from './board.ts';
import type { Guest } from './guests.ts';
import type { Progress } from './progress.ts';

const DOM0 = '10.17.0.1:4711';
const FILES = '/opt/memtide/boards/qemu/virt-arm64';
/** Node takes 4 to 14 s to start in a guest, and several times that beside other work. */
const START_SECONDS = 300;
const BENCH_SECONDS = 3600;
/** Of the bench's own steps, so many are shown. */
const SHOWN_PERCENT = 5;

/** 128 MiB more than what a guest needs itself. */
const GUEST_MIB = 384;

/** From the command line. @returns what each guest is to be booted with, and what is the bench's own. */
export function benchOptions(args: readonly string[]): { readonly guestMib: number; readonly options: string[] } {
  const at = args.indexOf('--guest-mib');
  if (at < 0) return { guestMib: GUEST_MIB, options: [...args] };
  const guestMib = Number(args[at + 1]);
  if (Number.isInteger(guestMib) && guestMib > 0) return { guestMib, options: args.toSpliced(at, 2) };
  throw new MemtideError({
    operation: 'read the command line',
    object: '--guest-mib',
    expected: 'a whole number of MiB',
    actual: String(args[at + 1]),
  });
}

export interface BenchParts {
  readonly donor: Guest;
  readonly recipient: Guest;
  /** Of `memtide bench --xen`: `--quick`, `--sizes-mib`, … */
  readonly options: readonly string[];
  /** Gets the result: bench-xen.json. */
  readonly folder: string;
}

/** @returns the file with the result. */
export async function runXenBench(board: Board, parts: BenchParts, progress: Progress): Promise<string> {
  const { donor, recipient, options, folder } = parts;
  progress.say(`\nThe bench: ${recipient.name} is measured, ${donor.name} gives. All times are emulated.\n`);
  await progress.step('the bench’s program in dom0 serves', () =>
    board.dom0.must(background(`memtide bench --xen-dom0 ${DOM0}`, '/run/share/log/bench-dom0.log', 'serves at'), {
      deadlineSeconds: START_SECONDS,
    }),
  );
  // Both run beside everything that is measured: an agent is there in earnest, too.
  await progress.step('the agent of dom0 lends memory', () =>
    board.dom0.must(
      background(
        `memtide-agent --role backend --config ${FILES}/lending-dom0.json`,
        '/run/share/log/agent-dom0.log',
        'backend: ready',
      ),
      { deadlineSeconds: START_SECONDS },
    ),
  );
  await progress.step(`the agent of ${recipient.name} borrows it`, () =>
    board.in(
      recipient,
      background(
        `memtide-agent --domain ${recipient.name} --config ${FILES}/lending-guest.json`,
        '/tmp/agent.log',
        'dom0 lends memory',
      ),
      { deadlineSeconds: START_SECONDS },
    ),
  );
  await progress.step(`${donor.name} is the donor`, () =>
    board.in(donor, background(`memtide bench --xen-donor ${DOM0}`, '/tmp/bench.log', 'is the donor'), {
      deadlineSeconds: START_SECONDS,
    }),
  );
  // Its steps come by standard error, which the way into a guest mixes with the rest: the result goes to a file first.
  await progress.step('the bench', () =>
    board.in(recipient, `memtide bench --xen ${DOM0} --json ${options.map(quoted).join(' ')} >/tmp/bench.json`, {
      deadlineSeconds: BENCH_SECONDS,
      onOutput: stepsOf((step) => progress.say(`  ${step}`)),
    }),
  );
  const json = (await board.in(recipient, 'cat /tmp/bench.json')).trim();
  const file = path.join(folder, 'bench-xen.json');
  fs.writeFileSync(file, `${json}\n`);
  progress.say(`\n${xenBenchText(JSON.parse(json) as XenBenchResult)}`);
  return file;
}

/** A script that starts a program and ends when that has said that it is there; with its last words, where it has not. */
const background = (command: string, log: string, word: string): string =>
  `setsid ${command} >${log} 2>&1 </dev/null & program=$!
   until grep -q '${word}' ${log}; do kill -0 $program || { cat ${log}; exit 1; }; sleep 0.5; done`;

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** From lines such as ` 12 % xl-mem-set, 8 MiB, round 3`, as they come in pieces, some. What is no step is told whole. */
function stepsOf(show: (step: string) => void): (text: string) => void {
  let rest = '';
  let shown = Number.NEGATIVE_INFINITY;
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const percent = /^\s*(\d+) % /.exec(line)?.[1];
      if (percent !== undefined && Number(percent) < shown + SHOWN_PERCENT) continue;
      if (percent !== undefined) shown = Number(percent);
      if (line.trim() !== '') show(line);
    }
  };
}
