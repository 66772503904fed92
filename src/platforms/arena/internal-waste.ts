import type { ControlFile } from '../../control/contracts.ts';
import { type Geometry, SESSION, SESSION_SLOTS, SESSION_WORDS, SESSIONS } from '../../control/layout.ts';
import { BlockTable, Ledger } from '../../control/ledger.ts';
import { KIB } from '../../units.ts';
import { IdleMemory } from './idle-memory.ts';

/** What a domain holds in leases and in chunks that leases lie in, and that serves nobody at the moment. */
export interface InternalWaste {
  /** Held by leases beyond what was asked for: rounding to blocks, or to chunks for what is revocable. */
  readonly roundingBytes: number;
  /** Blocks that nobody holds in chunks of which somebody holds others: free for this domain only. */
  readonly splitFreeBytes: number;
}

/** Counts the internal waste of one domain, from its control file. A few microseconds; for the slow plane. */
export class WasteMeter {
  readonly #words: Int32Array;
  readonly #idle: IdleMemory;
  readonly #chunkBytes: number;
  readonly #blockBytes: number;

  constructor(file: ControlFile, geometry: Geometry) {
    this.#words = file.words;
    this.#idle = new IdleMemory(new Ledger(file, geometry), new BlockTable(file, geometry));
    this.#chunkBytes = 2 ** geometry.chunkShift;
    this.#blockBytes = 2 ** geometry.blockShift;
  }

  read(): InternalWaste {
    this.#idle.look(0);
    let slackKib = 0;
    // What an application writes about itself is not trusted beyond its sign.
    for (let session = 1; session < SESSION_SLOTS; session++) {
      slackKib += Math.max(0, Atomics.load(this.#words, SESSIONS + session * SESSION_WORDS + SESSION.slackKib));
    }
    const { idleBlocks, idleSplitChunks } = this.#idle;
    return {
      roundingBytes: slackKib * KIB,
      splitFreeBytes: idleBlocks * this.#blockBytes - idleSplitChunks * this.#chunkBytes,
    };
  }
}
