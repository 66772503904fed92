/**
 * What limits how much dom0 can lend: the pages that gntalloc may grant and how fast the kernel takes back what it could not
 * at once, both parameters that root may raise; and the frames of the grant table, which Xen's command line sets.
 */
import fs from 'node:fs';
import { EXIT, errorCode, MemtideError } from '../errors.ts';
import { formatBytes } from '../units.ts';
import type { GrantTable } from './grant-table.ts';
import { XEN_PAGE_BYTES } from './page-size.ts';

const MODULES = '/sys/module';
const LIMIT = 'xen_gntalloc/parameters/limit';
/**
 * Pages a second that the kernel takes back after a grant ended while it was mapped; 0: all. This happens when an agent of
 * dom0 dies: with the kernel's 10 a second, a chunk of 2 MiB would take a minute. Kernels before 6.3 do not have it.
 */
const FREE_PER_ITERATION = 'grant_table/parameters/free_per_iteration';
/** Grants that the kernel of dom0 keeps for itself, and that its block and network back ends may use. */
const OTHERS = 512;

/**
 * Makes room for that many pages beside what others in dom0 may have granted.
 * @returns what sets gntalloc's limit back. The other parameter stays: it is for the time after this process.
 * @throws MemtideError where Xen allows too few, or a parameter cannot be set.
 */
export function raiseGrantLimits(
  pages: number,
  table: Pick<GrantTable, 'capacity'>,
  modules: string = MODULES,
): () => void {
  const most = table.capacity() - OTHERS;
  if (pages > most) {
    const frames = Math.ceil((pages + OTHERS) / (XEN_PAGE_BYTES / 8));
    throw new MemtideError({
      operation: 'lend memory to guests',
      object: formatBytes(pages * XEN_PAGE_BYTES),
      expected: `at most ${formatBytes(most * XEN_PAGE_BYTES)}, which is what Xen lets this domain grant`,
      actual: `${pages} pages`,
      remedy: `gnttab_max_frames=${frames} or more on Xen’s command line, or less xen.arena_mib`,
      exitCode: EXIT.unavailable,
    });
  }
  const limit = `${modules}/${LIMIT}`;
  const before = Number(read(limit));
  if (before < pages + OTHERS) write(limit, pages + OTHERS);
  const eager = `${modules}/${FREE_PER_ITERATION}`;
  if (fs.existsSync(eager)) write(eager, 0);
  return () => write(limit, before);
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch (cause) {
    throw failed('read', file, cause);
  }
}

function write(file: string, value: number): void {
  try {
    fs.writeFileSync(file, String(value));
  } catch (cause) {
    throw failed('set', file, cause);
  }
}

const failed = (what: string, file: string, cause: unknown): MemtideError =>
  new MemtideError({
    operation: `${what} the limit of granted pages`,
    object: file,
    expected: 'a Xen domain with xen-gntalloc loaded, and root',
    actual: errorCode(cause) ?? String(cause),
    remedy: 'modprobe xen-gntalloc; memtide doctor tells what this domain has',
    cause,
  });
