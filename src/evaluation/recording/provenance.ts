import { arch, cpus, release, type } from 'node:os';
import { join } from 'node:path';
import { pageSizeBytes } from '../../native/page-size.ts';
import { packageVersion } from '../../package-root.ts';
import { readOnce } from '../../pressure/pseudo-file.ts';
import type { Provenance } from './format.ts';

export const MEASURED = 'RssAnon + RssShmem of the process tree';

export interface ProvenanceFacts {
  readonly command: readonly string[];
  readonly intervalMillis: number;
  readonly wallMillis: number;
  /** Folders whose names are nobody's business: each becomes the short name that it is given here. */
  readonly shorten: ReadonlyArray<readonly [folder: string, short: string]>;
  readonly note?: string | undefined;
  readonly root?: string;
}

/** What is worth knowing of a recording in ten years. @param facts.root `/`, or a fixture tree. */
export function gatherProvenance({
  command,
  intervalMillis,
  wallMillis,
  shorten,
  note,
  root = '/',
}: ProvenanceFacts): Provenance {
  return {
    command: commandLine(command, shorten),
    measured: MEASURED,
    board: board(root),
    cpu: cpu(),
    kernel: `${type()} ${release()} ${arch()}`,
    page_size_bytes: String(pageSizeBytes(root) ?? 'unknown'),
    interval_ms: String(intervalMillis),
    recorder: `memtide ${packageVersion()}`,
    recorded_at: new Date(wallMillis).toISOString().replace(/\.\d+Z$/, 'Z'),
    ...(note !== undefined && { note }),
  };
}

function commandLine(command: readonly string[], shorten: ProvenanceFacts['shorten']): string {
  return command
    .map((word) => shorten.reduce((text, [folder, short]) => (folder ? text.replaceAll(folder, short) : text), word))
    .map((word) => (/^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}

/** The device tree's model on ARM boards, the firmware's product name on PCs. */
function board(root: string): string {
  const found = [
    'proc/device-tree/model',
    'sys/firmware/devicetree/base/model',
    'sys/devices/virtual/dmi/id/product_name',
  ].map((path) => readOnce(join(root, path)));
  return found.find((name) => name !== undefined) ?? 'unknown';
}

function cpu(): string {
  const all = cpus();
  return `${all.length} x ${all[0]?.model.trim() || 'unknown'}`;
}
