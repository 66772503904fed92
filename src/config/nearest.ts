/** Which of the known words a mistyped one was meant to be. */

/** Edits (insert, delete, replace) that turn `from` into `to`: Levenshtein's distance, one row at a time. */
export function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}

// A key with the wrong unit, or none, means the key with the right one: total_gb, totalMb and total are all total_mib.
const UNIT = /_(?:b|bytes|kb|mb|gb|kib|mib|gib|ns|us|ms|s|sec|secs|seconds|min|hz)$/;
const stem = (key: string): string =>
  key
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll('-', '_')
    .replace(UNIT, '');

/** The candidate that `word` most likely stands for, or `undefined` if none is near: at most a third of its letters off. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  // A hostile file may hold a key of a megabyte; the distance is quadratic.
  if (word.length > 64) return undefined;
  let best: { readonly candidate: string; readonly distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = stem(word) === stem(candidate) ? 0 : editDistance(word.toLowerCase(), candidate);
    if (distance <= Math.max(1, Math.floor(candidate.length / 3)) && distance < (best?.distance ?? Infinity)) {
      best = { candidate, distance };
    }
  }
  return best?.candidate;
}
