import type { Claimed, Extent } from '../contracts.ts';

/** Where a claim lies in the arena, in the order in which it makes up the lease. Neighbours are one extent. */
export function extentsOf(claimed: Claimed, chunkBytes: number, blockBytes: number): Extent[] {
  const { start, chunks, blocks, firstBlock, scattered } = claimed;
  const extents: Extent[] = [];
  if (!scattered) {
    add(extents, start * chunkBytes, chunks * chunkBytes);
    add(extents, (start + chunks) * chunkBytes + firstBlock * blockBytes, blocks * blockBytes);
    return extents;
  }
  for (const chunk of scattered.chunks) add(extents, chunk * chunkBytes, chunkBytes);
  for (const block of scattered.blocks) add(extents, block * blockBytes, blockBytes);
  return extents;
}

function add(extents: Extent[], offset: number, length: number): void {
  if (length === 0) return;
  const last = extents.at(-1);
  if (last && last.offset + last.length === offset) {
    extents[extents.length - 1] = { offset: last.offset, length: last.length + length };
  } else extents.push({ offset, length });
}
