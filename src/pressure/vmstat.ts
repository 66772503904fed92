import type { VmstatReading } from '../records.ts';
import { label, PseudoFile } from './pseudo-file.ts';

/**
 * `/proc/vmstat`: one counter a line, events since boot.
 *
 *     allocstall_normal 0
 *     pgmajfault 1284
 *     pgscan_kswapd 0
 *     pgscan_direct 0
 *     oom_kill 0
 *
 * `allocstall_*` is split by zone, and which zones exist depends on the machine (no DMA32 on many ARM boards): the ones
 * that are there are added up.
 */
const MAJOR_FAULTS = label('pgmajfault ');
const SCANNED_DIRECT = label('pgscan_direct ');
const SCANNED_BACKGROUND = label('pgscan_kswapd ');
const OOM_KILLS = label('oom_kill ');
const STALL_ZONES = ['dma', 'dma32', 'normal', 'movable', 'device'].map((zone) => label(`allocstall_${zone} `));

export type VmstatResult =
  | { readonly ok: true; readonly vmstat: VmstatReading }
  | { readonly ok: false; readonly reason: string };

export class VmstatReader {
  readonly #file: PseudoFile;

  constructor(path: string) {
    this.#file = new PseudoFile(path);
  }

  read(): VmstatResult {
    const file = this.#file;
    const failure = file.refresh();
    if (failure !== undefined) return { ok: false, reason: failure };
    const majorFaults = file.labelled(MAJOR_FAULTS);
    const pagesScannedDirect = file.labelled(SCANNED_DIRECT);
    const pagesScannedBackground = file.labelled(SCANNED_BACKGROUND);
    const oomKills = file.labelled(OOM_KILLS);
    const stalls = STALL_ZONES.map((zone) => file.labelled(zone)).filter((count) => count !== undefined);
    if (
      majorFaults === undefined ||
      pagesScannedDirect === undefined ||
      pagesScannedBackground === undefined ||
      oomKills === undefined ||
      stalls.length === 0
    ) {
      return { ok: false, reason: 'a counter is not in it: Linux 4.13 or later is needed' };
    }
    const allocationStalls = stalls.reduce((sum, count) => sum + count, 0);
    return {
      ok: true,
      vmstat: { majorFaults, pagesScannedDirect, pagesScannedBackground, oomKills, allocationStalls },
    };
  }

  close(): void {
    this.#file.close();
  }
}
