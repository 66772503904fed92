import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import readline from 'node:readline';

/**
 * A private tmpfs with `huge=always`, mounted without leaving a trace on the machine.
 *
 * A keeper process makes a mount namespace of its own (root) or a user and mount namespace (anybody, where the kernel
 * allows it), mounts the tmpfs there and sleeps. Others reach the files through /proc/PID/root, which only the same user
 * may enter. The mount goes with the keeper; memory that somebody has mapped lives on until they end.
 */
export interface HugeMount {
  /** The directory, reachable by processes of the same user. */
  readonly directory: string;
  readonly keeperPid: number;
  close(): void;
}

export type HugeMountResult =
  | { readonly ok: true; readonly mount: HugeMount }
  | { readonly ok: false; readonly reason: string };

// The keeper reads a named pipe that everybody who uses the arena holds open for writing. When the last of them has
// ended, however it ended, the read returns and the keeper ends too: nothing is left behind, and nothing goes too early.
const KEEPER =
  'mount -t tmpfs -o huge=always,mode=0700,size="$1" memtide /mnt && exec 3<"$2" && echo ready && read -r _ <&3';

/**
 * @param sizeBytes the most that the tmpfs may ever hold: ENOSPC beyond it.
 * @param keep the named pipe; the caller holds it open for writing already.
 */
export async function mountHugeTmpfs(sizeBytes: number, keep: string): Promise<HugeMountResult> {
  const namespaces = process.getuid?.() === 0 ? ['-m'] : ['-U', '-r', '-m'];
  // A session of its own, so that Ctrl-C in the terminal ends those who use the arena and not the arena under them.
  const keeper = spawn('unshare', [...namespaces, 'sh', '-c', KEEPER, 'sh', String(sizeBytes), keep], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  // Until it stands, nothing else may keep this process alive: its pipes close a moment before its end is told.
  const reason = await startKeeper(keeper);
  keeper.unref();
  if (reason !== undefined) {
    keeper.kill();
    return { ok: false, reason };
  }
  keeper.stdout?.destroy();
  keeper.stderr?.destroy();
  return {
    ok: true,
    mount: {
      // As the keeper sees it: proc_pid_root(5).
      directory: path.join('/proc', String(keeper.pid), 'root', 'mnt'),
      keeperPid: keeper.pid as number,
      close: () => {
        keeper.kill();
      },
    },
  };
}

/** @returns undefined when the mount stands, else why not. */
async function startKeeper(keeper: ChildProcess): Promise<string | undefined> {
  const complaints: string[] = [];
  readline.createInterface({ input: keeper.stderr! }).on('line', (line) => complaints.push(line));
  const ready = once(readline.createInterface({ input: keeper.stdout! }), 'line').then(() => undefined);
  const failed = new Promise<string>((resolve) => {
    keeper.once('error', (error) => resolve(`unshare could not be started: ${error.message}`));
    keeper.once('close', (code) => resolve(complaints[0]?.trim() ?? `unshare ended with code ${code}`));
  });
  return Promise.race([ready, failed]);
}
