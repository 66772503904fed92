import type { MappedControlFile } from '../../src/control/control-file.ts';
import { ChunkGrants, chunkGrantBytes } from '../../src/xen/chunk-grants.ts';
import { EventChannels } from '../../src/xen/event-channels.ts';
import { FrontendDiscovery } from '../../src/xen/frontend-discovery.ts';
import { grantControlFile } from '../../src/xen/grant-control-file.ts';
import type { Xenstore } from '../../src/xen/xenstore/xenstore.ts';
import { Calls } from './store-place.ts';

/** A guest that offers its pages to dom0, and does nothing with what it is lent. */
export class BareGuest {
  /** `connected`, or why not. */
  readonly told = new Calls<string>();
  readonly #discovery: FrontendDiscovery;
  /** Of the last offer. */
  grants!: ChunkGrants;
  words!: Int32Array;

  constructor(store: Xenstore, domid: number) {
    this.#discovery = new FrontendDiscovery({
      store,
      domid,
      incarnation: 100 * domid,
      againMillis: { first: 50, largest: 200 },
      handlers: {
        prepare: async (_, geometry) => {
          const { file, pages } = grantControlFile(0, geometry!, chunkGrantBytes(geometry!));
          this.words = (file as MappedControlFile).words;
          this.grants = new ChunkGrants(this.words, geometry!);
          this.grants.sayAlive();
          return { grantRefs: pages.references, eventChannel: new EventChannels().bindUnbound(0) };
        },
        connected: () => this.told.add('connected'),
        withdraw: (_, reason) => this.told.add(reason),
        refused: (_, reason) => this.told.add(reason),
        problem: (error) => this.told.add((error as Error).message),
      },
    });
  }

  start(): Promise<void> {
    return this.#discovery.start();
  }

  stop(): Promise<void> {
    return this.#discovery.stop();
  }

  /** Chunks that are granted to it now. */
  get chunks(): number {
    let chunks = 0;
    for (let chunk = 0; chunk < this.grants.chunkCount; chunk++) chunks += this.grants.turnOf(chunk) & 1;
    return chunks;
  }
}
