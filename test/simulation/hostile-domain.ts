/** What a domain can do to others with nothing but its own control file and the back end's bell: write what it likes. */
import {
  BACK_TO_FRONT,
  ENTRY_WORDS,
  FRONT_TO_BACK,
  LEDGER,
  OP,
  RING_ENTRIES,
  SESSION_SLOTS,
  SESSION_WORDS,
  SESSIONS,
  STATE,
  wordOf,
} from '../../src/control/layout.ts';
import type { Domain } from './domain.ts';
import type { Random } from './random.ts';

/** `ring tail` waits until the ring has gone round: what lies in it is then what was said once. */
export type Mutation = 'any word' | 'ledger' | 'ring index' | 'ring tail' | 'ring entry' | 'session' | 'bell';

export const MUTATIONS: readonly Mutation[] = ['any word', 'ledger', 'ring index', 'ring entry', 'session', 'bell'];

/** The identity line is read when a file is opened, and not again. */
const FIRST_WORD = 16;

export function mutate(domain: Domain, kind: Mutation): void {
  const { words } = domain.file;
  const { random, geometry, backend } = domain.world;
  switch (kind) {
    case 'any word':
      words[random.between(FIRST_WORD, words.length - 1)] = anyValue(random);
      break;
    case 'ledger':
      words[LEDGER + random.below(geometry.chunkCount)] = wordOf(
        random.pick(Object.values(STATE)),
        random.chance(0.7) ? random.below(4) : random.below(4096),
      );
      break;
    case 'ring index': {
      const ring = random.pick([FRONT_TO_BACK, BACK_TO_FRONT]);
      const at = random.chance(0.5) ? ring.head : ring.tail;
      words[at] = random.chance(0.5) ? words[at]! + random.between(-70, 70) : anyValue(random);
      break;
    }
    case 'ring tail':
      if (words[FRONT_TO_BACK.tail]! < RING_ENTRIES) return;
      words[FRONT_TO_BACK.tail] = words[FRONT_TO_BACK.tail]! + RING_ENTRIES + 1 + random.below(RING_ENTRIES);
      break;
    case 'ring entry': {
      const tail = words[FRONT_TO_BACK.tail]!;
      const at = FRONT_TO_BACK.entries + (tail & (RING_ENTRIES - 1)) * ENTRY_WORDS;
      words[at] = random.chance(0.7) ? random.pick(Object.values(OP)) : anyValue(random);
      for (let word = 1; word < 7; word++) words[at + word] = random.chance(0.5) ? random.below(8) : anyValue(random);
      words[FRONT_TO_BACK.tail] = tail + 1;
      break;
    }
    case 'session':
      words[SESSIONS + random.below(SESSION_SLOTS * SESSION_WORDS)] = anyValue(random);
      break;
    case 'bell':
      backend.bell.ring(random.below(256));
  }
  if (random.chance(0.5)) backend.bell.ring(domain.id);
}

function anyValue(random: Random): number {
  const draw = random.next();
  if (draw < 0.2) return 0;
  if (draw < 0.3) return -1;
  if (draw < 0.6) return random.below(64);
  if (draw < 0.8) return wordOf(random.below(16), random.below(4));
  return (random.next() * 2 ** 32) | 0;
}
