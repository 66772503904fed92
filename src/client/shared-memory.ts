/** An application's side on one machine: control file, arena and books are files that it maps. */
import { openControlFile } from '../control/control-file.ts';
import { openOwnersFile, residentExtents } from '../control/owner-table.ts';
import type { DomainFiles } from '../coordination/run-files.ts';
import type { SessionWelcome } from '../coordination/session-protocol.ts';
import { openArena } from '../platforms/arena/arena-file.ts';
import { LeaseWindows } from './lease-windows.ts';

/** @throws MemtideError when a file is not what the agent said. */
export function openShared(files: DomainFiles, welcome: SessionWelcome) {
  const { file, identity } = openControlFile(files.control);
  const { chunkCount, chunkShift } = identity;
  const arena = openArena(welcome.arena);
  try {
    const owners = openOwnersFile(welcome.owners, { chunkCount, arenaId: welcome.arenaId }, 'read');
    // Into this process's page tables, so that the first touch takes no fault.
    for (const { offset, length } of residentExtents(owners, 2 ** chunkShift)) arena.premap(offset, length);
    return { file, geometry: identity, memory: arena, windows: new LeaseWindows(arena.fd, 2 ** chunkShift), owners };
  } catch (error) {
    arena.close();
    throw error;
  }
}
