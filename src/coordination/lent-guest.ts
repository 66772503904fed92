/** One guest that dom0 lends to, from the offer of its agent to its end. */
import type { ControlFile } from '../control/contracts.ts';
import type { Geometry } from '../control/layout.ts';
import { Ledger } from '../control/ledger.ts';
import { OWNER } from '../control/owner-table.ts';
import { ChunkGrants, chunkGrantBytes } from '../xen/chunk-grants.ts';
import type { Offer } from '../xen/discovery-nodes.ts';
import { mapControlFile } from '../xen/grant-control-file.ts';
import { LentPart } from '../xen/lent-part.ts';
import type { MappedGrants } from '../xen/map-grants.ts';
import type { WithdrawnGrants } from '../xen/owed-memory.ts';
import type { PairLimits } from './pair-limits.ts';
import type { LentGuest as LentGuestCommand } from './plane-thread.ts';

export class LentGuest {
  readonly id: number;
  readonly name: string;
  readonly domid: number;
  /** Of the offer that was taken. */
  readonly frontend: number;
  readonly part: LentPart;
  readonly ledger: Ledger;
  limits: PairLimits;
  readonly #pages: MappedGrants;
  readonly #remotePort: number;
  readonly #owners: Int32Array;

  /** Maps what the guest offers. @throws MemtideError when it cannot be. */
  constructor(parts: {
    readonly id: number;
    readonly name: string;
    readonly domid: number;
    readonly frontend: number;
    readonly offer: Offer;
    readonly geometry: Geometry;
  }) {
    const { id, name, domid, frontend, offer, geometry } = parts;
    this.id = id;
    this.name = name;
    this.domid = domid;
    this.frontend = frontend;
    // Another ledger for each connection, and never read against the memory of another.
    const arenaId = Math.floor(Math.random() * 2 ** 31);
    const mapped = mapControlFile(domid, offer.grantRefs, geometry, id, arenaId, chunkGrantBytes(geometry));
    const file: ControlFile = mapped.file;
    this.#pages = mapped.pages;
    this.#remotePort = offer.eventChannel;
    this.part = new LentPart(domid, geometry, new ChunkGrants(file.words, geometry));
    this.#owners = new Int32Array(this.part.owners);
    this.ledger = new Ledger(file, geometry);
    this.limits = { floorChunks: 0, ceilingChunks: geometry.chunkCount, offerChunks: 0 };
  }

  /** For the fast plane. */
  get command(): { readonly kind: 'guest' } & LentGuestCommand {
    const { id, domid, part, limits } = this;
    const { address, byteLength } = this.#pages;
    const shared = { address, byteLength };
    const { arena, owners } = part;
    return { kind: 'guest', id, domid, remotePort: this.#remotePort, shared, arena, owners, limits };
  }

  /** Chunks of its part that are granted and free, neither offered to the guest nor held by it: dom0's to withdraw. */
  get freeChunks(): number {
    return this.#owners.reduce((count, owner) => count + (owner === OWNER.free ? 1 : 0), 0);
  }

  /** Once the fast plane has let go of it. @returns what the guest is to let go of. */
  close(): WithdrawnGrants[] {
    const withdrawn = this.part.close();
    this.#pages.close();
    return withdrawn;
  }
}
