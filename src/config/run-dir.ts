/** Where sockets, the control file and the arena live when the configuration does not say. */

export interface RunDirFacts {
  /** Effective user id. */
  readonly uid: number;
  /** Whether /run is a tmpfs that this user may write to, as it is under systemd for root. */
  readonly runIsTmpfs: boolean;
  /** $XDG_RUNTIME_DIR: a tmpfs of the user's own, made at login. */
  readonly xdgRuntimeDir?: string | undefined;
  readonly devShmWritable: boolean;
}

/**
 * The folder, which need not exist yet. Root: /run/memtide. A user with a session: $XDG_RUNTIME_DIR/memtide. Else a
 * folder in /dev/shm, which is a tmpfs too. `undefined` where none of these can be had: `run_dir` must then be given.
 */
export function defaultRunDir({ uid, runIsTmpfs, xdgRuntimeDir, devShmWritable }: RunDirFacts): string | undefined {
  if (uid === 0 && runIsTmpfs) return '/run/memtide';
  // The specification says that a relative path is invalid and is to be ignored.
  if (xdgRuntimeDir?.startsWith('/')) return `${xdgRuntimeDir.replace(/\/+$/, '')}/memtide`;
  return devShmWritable ? `/dev/shm/memtide-${uid}` : undefined;
}
