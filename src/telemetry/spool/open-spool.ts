/** A spool in a folder, for one process at a time. */
import { closeSync } from 'node:fs';
import type { Clock } from '../../clock.ts';
import { EXIT, errorCode, errorMessage, MemtideError } from '../../errors.ts';
import { lockFolder } from '../folder-lock.ts';
import { FolderDisk } from './disk.ts';
import { SpoolFeed, type SpoolFeedOptions } from './feed.ts';
import { Spool, type SpoolOptions } from './spool.ts';

export interface OpenSpoolOptions
  extends Pick<SpoolOptions, 'bootId' | 'stamp' | 'capBytes' | 'onAcknowledged' | 'onProblem'>,
    Pick<SpoolFeedOptions, 'drainHz' | 'resendMillis'> {
  /** Made if missing. */
  readonly folder: string;
  readonly clock: Clock;
  /** Time between two syncs: what a power cut can take is the messages of that long. */
  readonly syncMillis: number;
}

export interface OpenSpool {
  readonly feed: SpoolFeed;
  /** Brings everything to the disk and lets go of the folder; a second call waits for the first. */
  stop(): Promise<void>;
}

/** @throws MemtideError when the folder cannot be used, or another process uses it. */
export async function openSpool(options: OpenSpoolOptions): Promise<OpenSpool> {
  const { folder, clock, drainHz, resendMillis, syncMillis, ...others } = options;
  const disk = new FolderDisk(folder);
  let lock: number | undefined;
  try {
    await disk.prepare();
    lock = lockFolder(folder);
    if (lock === undefined) throw inUse(folder);
    let feed: SpoolFeed | undefined;
    const spool = new Spool({
      ...others,
      disk,
      clock,
      newId: () => process.getBuiltinModule('node:crypto').randomBytes(8).toString('hex'),
      onWritten: (records) => feed?.written(records),
    });
    await spool.start();
    feed = new SpoolFeed({ spool, clock, drainHz, ...(resendMillis === undefined ? {} : { resendMillis }) });
    const timer = setInterval(() => void spool.flush(), syncMillis).unref();
    let stopped: Promise<void> | undefined;
    return {
      feed,
      stop: () => {
        stopped ??= stop(timer, spool, lock!);
        return stopped;
      },
    };
  } catch (error) {
    if (lock !== undefined) closeSync(lock);
    throw error instanceof MemtideError ? error : cannotUse(folder, error);
  }
}

async function stop(timer: NodeJS.Timeout, spool: Spool, lock: number): Promise<void> {
  clearInterval(timer);
  await spool.stop();
  closeSync(lock);
}

const inUse = (folder: string): MemtideError =>
  new MemtideError({
    operation: 'open the spool',
    object: folder,
    expected: 'a folder of its own for each agent',
    actual: 'another process has it open',
    remedy: 'end that process, or choose another spool.dir',
    exitCode: EXIT.unavailable,
  });

const cannotUse = (folder: string, cause: unknown): MemtideError =>
  new MemtideError({
    operation: 'open the spool',
    object: folder,
    expected: 'a folder that this user may write, on a disk that can be read',
    actual: errorCode(cause) ?? errorMessage(cause),
    remedy: 'choose another spool.dir, or leave it out to keep nothing',
    cause,
    exitCode: EXIT.unavailable,
  });
