/**
 * The part of dom0's arena that is lent to one guest: pages of dom0, granted to that guest and to nobody else, chunk by
 * chunk. Granting takes memory from dom0 as it is needed, zeroed by the kernel.
 *
 * A grant cannot be taken back from a guest that does not let go of it: what is withdrawn is owed until it has (owed-memory.ts).
 */
import type { Geometry } from '../control/layout.ts';
import { OWNER } from '../control/owner-table.ts';
import { MemtideError } from '../errors.ts';
import { type Mapping, reserveAddresses } from '../native/mapping.ts';
import { roundUp } from '../units.ts';
import type { ChunkGrants } from './chunk-grants.ts';
import { type GrantedPages, grantPages } from './grant-pages.ts';
import type { WithdrawnGrants } from './owed-memory.ts';

/** What is over when others in dom0 let go of something. */
const LACKS: readonly string[] = ['ENOSPC', 'ENOMEM', 'EMFILE', 'ENFILE', 'EAGAIN'];

export type GrantResult =
  | { readonly ok: true; readonly chunk: number }
  /** `no-pages`: a limit of grants or of open files is reached, or dom0 has no memory. */
  | { readonly ok: false; readonly why: 'full' | 'no-pages'; readonly error?: MemtideError };

export class LentPart {
  /** Addresses for all of the arena; memory is behind what is granted. */
  readonly arena: Mapping;
  /** The books of the part, for the fast plane to keep. */
  readonly owners: SharedArrayBuffer;
  readonly #domid: number;
  readonly #grants: ChunkGrants;
  readonly #owners: Int32Array;
  readonly #granted: (GrantedPages | undefined)[] = [];
  /** By chunk: withdrawn from the guest, and perhaps still mapped there. */
  readonly #withdrawn: boolean[] = [];
  readonly #turns: Int32Array;

  constructor(domid: number, { chunkCount, chunkShift }: Geometry, grants: ChunkGrants) {
    const chunkBytes = 2 ** chunkShift;
    this.#domid = domid;
    this.#grants = grants;
    this.owners = new SharedArrayBuffer(4 * chunkCount);
    this.#owners = new Int32Array(this.owners);
    this.#turns = new Int32Array(chunkCount);
    const reserved = reserveAddresses((chunkCount + 1) * chunkBytes, 'arena lent to a guest');
    this.arena = { address: roundUp(reserved.address, chunkBytes), byteLength: chunkCount * chunkBytes };
  }

  /** Chunks that are granted now. */
  get chunks(): number {
    return this.#granted.reduce((count, pages, chunk) => count + (pages && !this.#withdrawn[chunk] ? 1 : 0), 0);
  }

  /** Grants one chunk more. The fast plane is to be told of it. @throws MemtideError for another reason than a limit. */
  grant(): GrantResult {
    let chunk = 0;
    while (chunk < this.#turns.length && (this.#granted[chunk] || this.#owners[chunk] !== OWNER.absent)) chunk++;
    if (chunk === this.#turns.length) return { ok: false, why: 'full' };
    const { chunkBytes, pagesPerChunk } = this.#grants;
    try {
      const pages = grantPages(this.#domid, pagesPerChunk, this.arena.address + chunk * chunkBytes);
      this.#granted[chunk] = pages;
      this.#grants.grant(chunk, pages.references, this.#nextTurn(chunk));
      return { ok: true, chunk };
    } catch (error) {
      if (!(error instanceof MemtideError) || !LACKS.includes(error.detail.actual ?? '')) throw error;
      return { ok: false, why: 'no-pages', error };
    }
  }

  /** Withdraws the chunks that the fast plane has taken out of the books. */
  takeBack(): WithdrawnGrants[] {
    return this.#withdraw((chunk) => Atomics.load(this.#owners, chunk) === OWNER.absent);
  }

  /** Withdraws everything, once the fast plane does not use it any more. */
  close(): WithdrawnGrants[] {
    return this.#withdraw(() => true);
  }

  #withdraw(which: (chunk: number) => boolean): WithdrawnGrants[] {
    const withdrawn: WithdrawnGrants[] = [];
    for (let chunk = 0; chunk < this.#turns.length; chunk++) {
      const pages = this.#granted[chunk];
      if (!pages || this.#withdrawn[chunk] || !which(chunk)) continue;
      this.#withdrawn[chunk] = true;
      this.#grants.withdraw(chunk, this.#nextTurn(chunk));
      withdrawn.push({
        references: pages.references,
        end: () => {
          this.#granted[chunk] = undefined;
          this.#withdrawn[chunk] = false;
          pages.close();
        },
      });
    }
    return withdrawn;
  }

  /** Odd for a grant, even for its end. */
  #nextTurn(chunk: number): number {
    this.#turns[chunk] = (this.#turns[chunk] as number) + 1;
    return this.#turns[chunk] as number;
  }
}
