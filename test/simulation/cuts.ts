/**
 * Cuts through the product's own code: before each atomic operation that it makes on shared memory, and within each
 * scrub, the simulation may let others go first, stop the party, or kill it. The planes have no other access to shared
 * memory by which they could change what others rely upon, so a party killed at a cut has left exactly what a
 * `kill -9` there would have left: a ring entry without its tail, a chunk in mid-scrub, half of a split.
 */
let left = 0;
let onCut: () => void = () => {};

/** Cuts at the `operations`th operation from now; 0: not at all. @returns what was left of the last setting. */
export function cutAfter(operations: number): number {
  const before = left;
  left = operations;
  return before;
}

/** One step that can be cut. */
export function cut(): void {
  if (left > 0 && --left === 0) onCut();
}

const { load, store, add, compareExchange, exchange } = Atomics;
type Words = Int32Array;

/** Puts the cuts into `Atomics`, for as long as `body` runs. */
export function withCuts<Result>(handler: () => void, body: () => Result): Result {
  const before = { handler: onCut, left };
  onCut = handler;
  left = 0;
  Object.assign(Atomics, {
    load: (words: Words, at: number) => {
      cut();
      return load(words, at);
    },
    store: (words: Words, at: number, value: number) => {
      cut();
      return store(words, at, value);
    },
    add: (words: Words, at: number, value: number) => {
      cut();
      return add(words, at, value);
    },
    compareExchange: (words: Words, at: number, expected: number, value: number) => {
      cut();
      return compareExchange(words, at, expected, value);
    },
    exchange: (words: Words, at: number, value: number) => {
      cut();
      return exchange(words, at, value);
    },
  });
  try {
    return body();
  } finally {
    Object.assign(Atomics, { load, store, add, compareExchange, exchange });
    onCut = before.handler;
    left = before.left;
  }
}
