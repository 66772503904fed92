import {
  BACK,
  BACK_BELL,
  BACK_TO_FRONT,
  BLOCK,
  blocksPerChunk,
  blockTable,
  ENTRY_WORDS,
  FRONT,
  FRONT_BELL,
  FRONT_TO_BACK,
  type Geometry,
  IDENTITY,
  LEDGER,
  OP,
  RING_ENTRIES,
  SESSION,
  SESSION_SLOTS,
  SESSION_WORDS,
  SESSIONS,
  STATE,
  wordOf,
} from '../../src/control/layout.ts';

/** What a hostile domain does to its control file: words anywhere, and lies that look like the truth. */
export interface Target {
  readonly words: Int32Array;
  readonly halfwords: Uint16Array;
  readonly geometry: Geometry;
}

type Dice = (below: number) => number;

const anyWord = (dice: Dice): number =>
  [() => dice(2 ** 31) * 2, () => -1, () => 0, () => dice(256), () => -(2 ** 31), () => 2 ** 31 - 1][dice(6)]!() | 0;

/** One word somewhere, or one bit of it. */
export function mutateAnywhere({ words }: Target, dice: Dice): void {
  const at = dice(words.length);
  if (dice(2) === 0) Atomics.store(words, at, anyWord(dice));
  else Atomics.xor(words, at, 1 << dice(32));
}

const STRUCTURED: readonly ((target: Target, dice: Dice) => void)[] = [
  function chunkInAnyState({ words, geometry }, dice) {
    Atomics.store(words, LEDGER + dice(geometry.chunkCount), wordOf(dice(16), dice(SESSION_SLOTS)));
  },
  function everythingClaimable({ words, geometry }, dice) {
    const state = [STATE.offered, STATE.reserved, STATE.returning, STATE.dirty, STATE.split][dice(5)]!;
    for (let chunk = 0; chunk < geometry.chunkCount; chunk++) Atomics.store(words, LEDGER + chunk, wordOf(state));
  },
  function swappedChunks({ words, geometry }, dice) {
    const [one, other] = [LEDGER + dice(geometry.chunkCount), LEDGER + dice(geometry.chunkCount)];
    Atomics.store(words, one, Atomics.exchange(words, other, Atomics.load(words, one)));
  },
  function block({ halfwords, geometry }, dice) {
    const at = blockTable(geometry) + dice(geometry.chunkCount * blocksPerChunk(geometry));
    Atomics.store(halfwords, at, [0, 1, 2, 3, 9, BLOCK.sessionBase + dice(200), 0xffff][dice(7)]!);
  },
  function ringIndex({ words }, dice) {
    const place = [FRONT_TO_BACK.head, FRONT_TO_BACK.tail, BACK_TO_FRONT.head, BACK_TO_FRONT.tail][dice(4)]!;
    Atomics.add(words, place, [1, -1, RING_ENTRIES, RING_ENTRIES + 1, 2 ** 30, -(2 ** 31)][dice(6)]!);
  },
  function ringEntry({ words }, dice) {
    const ring = [FRONT_TO_BACK, BACK_TO_FRONT][dice(2)]!;
    const at = ring.entries + dice(RING_ENTRIES) * ENTRY_WORDS;
    words[at] = Object.values(OP)[dice(Object.values(OP).length)]!;
    for (let word = 1; word < 7; word++) words[at + word] = dice(3) === 0 ? anyWord(dice) : dice(130);
    if (dice(2) === 0) Atomics.add(words, ring.tail, 1);
  },
  function session({ words }, dice) {
    const at = SESSIONS + dice(SESSION_SLOTS) * SESSION_WORDS;
    for (const field of Object.values(SESSION)) if (dice(4) === 0) Atomics.store(words, at + field, anyWord(dice));
  },
  function request({ words }, dice) {
    const at = SESSIONS + dice(SESSION_SLOTS) * SESSION_WORDS;
    Atomics.store(words, at + SESSION.requestChunks, dice(60));
    Atomics.store(words, at + SESSION.requestDeadlineMicros, dice(1_000_000));
    Atomics.add(words, at + SESSION.requestSeq, 1);
  },
  function bell({ words }, dice) {
    const at = [FRONT_BELL, BACK_BELL][dice(2)]! + dice(12);
    Atomics.store(words, at, anyWord(dice));
  },
  function line({ words }, dice) {
    const field = [...Object.values(FRONT), ...Object.values(BACK), ...Object.values(IDENTITY)];
    Atomics.store(words, field[dice(field.length)]!, anyWord(dice));
  },
];

export function mutateWithCunning(target: Target, dice: Dice): void {
  STRUCTURED[dice(STRUCTURED.length)]!(target, dice);
}
