/** The study of replayed recordings on the board: played in its guests, led from dom0. */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { replayStudyText } from '../../src/evaluation/replay/xen/report.ts';
import type { ReplayStudyResult } from '../../src/evaluation/replay/xen/result.ts';
import { readSettings } from '../../src/evaluation/replay/xen/settings.ts';
import { MIB } from '../../src/units.ts';
import type { Board } from './board.ts';
import type { Progress } from './progress.ts';

/** Three rounds of three rivals take a quarter of an hour on an idle machine. */
const STUDY_SECONDS = 2 * 3600;
const SETTINGS = 'replay.json';
const RESULT = 'replay-result.json';

export interface ReplayOptions {
  readonly settingsFile: string;
  /** What both guests are to be booted with. */
  readonly bootMib: number;
  /** For `memtide bench --xen-replay`. */
  readonly passedOn: readonly string[];
}

/** `--settings FILE`, `--rounds N`, `--cases NAMES`, `--quick`. @throws MemtideError, TypeError for what is none of these. */
export function readReplayOptions(args: readonly string[], boardsFile: string): ReplayOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      settings: { type: 'string', default: boardsFile },
      rounds: { type: 'string' },
      cases: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const { settings, rounds, cases, quick } = values;
  return {
    settingsFile: settings,
    bootMib: readSettings(settings).sizes.bootBytes / MIB,
    passedOn: [
      ...(rounds === undefined ? [] : ['--rounds', rounds]),
      ...(cases === undefined ? [] : ['--cases', cases]),
      ...(quick ? ['--quick'] : []),
    ],
  };
}

/** @param folder of the run: the result stays there. @returns 0 when the study was played to its end, whatever it found. */
export async function runReplay(
  board: Board,
  folder: string,
  progress: Progress,
  { settingsFile, passedOn }: ReplayOptions,
): Promise<number> {
  const share = path.join(folder, 'share');
  fs.copyFileSync(settingsFile, path.join(share, SETTINGS));
  progress.say('\nRecordings in both guests, under each rival in turn:\n');
  const options = passedOn.map((text) => `'${text.replaceAll("'", '')}'`).join(' ');
  const { code } = await board.dom0.run(
    `memtide bench --xen-replay /run/share/${SETTINGS} ${options} --json >/run/share/${RESULT}`,
    { deadlineSeconds: STUDY_SECONDS, onOutput: (text) => process.stdout.write(text) },
  );
  if (code !== 0) {
    progress.say(`  ✘ the study ended early (exit code ${code})`);
    return code;
  }
  const file = path.join(share, RESULT);
  progress.say(`\n${replayStudyText(JSON.parse(fs.readFileSync(file, 'utf8')) as ReplayStudyResult)}`);
  progress.say(`As JSON, with every play: ${file}`);
  return 0;
}
