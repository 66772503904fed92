import { STATE, stateOf } from '../../src/control/layout.ts';
import { OWNER } from '../../src/control/owner-table.ts';
import { ChunkBooks } from '../../src/coordination/chunk-books.ts';
import type { World } from './world.ts';

/** The product's books, with somebody who looks on. */
export class WatchedBooks extends ChunkBooks {
  protected readonly world: World;

  constructor(world: World) {
    super(world.geometry.chunkCount, world.owners);
    this.world = world;
  }

  override takeBack(chunk: number, clean: boolean): void {
    const owner = this.world.owners[chunk]! - OWNER.firstPair;
    if (!clean && owner >= 0) {
      this.world.domains[owner]!.wiretap.listen(); // it may have been asked for in this very step
      this.world.invariants.noteReturned(owner);
    }
    super.takeBack(chunk, clean);
  }
}

/** Sabotage: books that take a domain's word for it when it says that it returns a chunk. */
export class BelievingBooks extends WatchedBooks {
  override ownerOf(chunk: number): number {
    const owner = this.world.owners[chunk]! - OWNER.firstPair;
    if (owner < 0) return owner;
    const { domains } = this.world;
    return domains.find(({ ledger }) => stateOf(ledger.peek(chunk)) === STATE.returning)?.id ?? owner;
  }
}
