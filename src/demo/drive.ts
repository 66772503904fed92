import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { BurstRecord } from '../records.ts';
import { readBurstLog } from '../telemetry/burst-log-reader.ts';
import { burstRecordOf } from '../telemetry/wire.ts';

/** Everything that one run has logged and the summary needs, as it was logged. */
export interface Drive {
  readonly bursts: readonly BurstRecord[];
  /** Readings of what each domain held idle, and of the pool. */
  readonly idle: ReadonlyArray<{
    readonly domain: string;
    readonly reserveBytes: number;
    readonly offeredBytes: number;
  }>;
  readonly poolBytes: readonly number[];
  /** Lines that could not be read. */
  readonly damagedLines: number;
}

/** Reads all drive logs of a folder. */
export async function readDrive(folder: string): Promise<Drive> {
  const bursts: BurstRecord[] = [];
  const idle: { domain: string; reserveBytes: number; offeredBytes: number }[] = [];
  const poolBytes: number[] = [];
  let damagedLines = 0;
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.jsonl')).sort()) {
    for await (const line of readBurstLog(path.join(folder, file))) {
      if (!line.ok) damagedLines++;
      else if (line.report === 'event/burst') bursts.push(burstRecordOf(line.payload));
      else if (line.report === 'tele/alloc') {
        const { pool_bytes, reserve_bytes: reserveBytes, offered_bytes: offeredBytes } = line.payload;
        if (pool_bytes !== undefined) poolBytes.push(pool_bytes);
        if (reserveBytes !== undefined && offeredBytes !== undefined) {
          idle.push({ domain: line.domain, reserveBytes, offeredBytes });
        }
      }
    }
  }
  return { bursts, idle, poolBytes, damagedLines };
}
