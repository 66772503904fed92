/**
 * Finds where a text stops being JSON. Engines word and place this differently, or not at all, and `JSON.parse` lets the
 * second of two equal keys win in silence, which in a configuration is always a mistake.
 */

export interface JsonProblem {
  /** Counted from 1, as editors do; columns are UTF-16 units. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

class Stop {
  readonly offset: number;
  readonly message: string;
  constructor(offset: number, message: string) {
    this.offset = offset;
    this.message = message;
  }
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these inside a string
const STRING = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORD = /true|false|null/y;
/** Deeper than any configuration, far from the end of the stack. */
const MAX_DEPTH = 64;

/** The first problem in `text`, or `undefined` if it is JSON without repeated keys. */
export function findJsonProblem(text: string): JsonProblem | undefined {
  try {
    const end = skipSpace(text, value(text, skipSpace(text, 0), 0));
    if (end < text.length) throw new Stop(end, 'something follows the end of the value');
    return undefined;
  } catch (stop) {
    if (!(stop instanceof Stop)) throw stop;
    const before = text.slice(0, stop.offset);
    return {
      line: before.split('\n').length,
      column: stop.offset - (before.lastIndexOf('\n') + 1) + 1,
      message: stop.message,
    };
  }
}

/** Each of these takes the offset where its part begins and returns the one after its end. */
function value(text: string, start: number, depth: number): number {
  if (depth > MAX_DEPTH) throw new Stop(start, `nested deeper than ${MAX_DEPTH} levels`);
  const first = text[start];
  if (first === '{') return list(text, start, '}', (at, keys) => member(text, at, depth + 1, keys));
  if (first === '[') return list(text, start, ']', (at) => value(text, at, depth + 1));
  const end = match(STRING, text, start) ?? match(NUMBER, text, start) ?? match(WORD, text, start);
  if (end === undefined) throw new Stop(start, expectedValue(text, start));
  return end;
}

function list(text: string, start: number, close: '}' | ']', item: (at: number, keys: Set<string>) => number): number {
  const keys = new Set<string>();
  let at = skipSpace(text, start + 1);
  if (text[at] === close) return at + 1;
  for (;;) {
    at = skipSpace(text, item(at, keys));
    if (text[at] === close) return at + 1;
    if (text[at] !== ',')
      throw new Stop(at, at < text.length ? `expected , or ${close}` : `the text ends before ${close}`);
    const comma = at;
    at = skipSpace(text, at + 1);
    if (text[at] === close) throw new Stop(comma, `a comma before ${close}`);
  }
}

function member(text: string, start: number, depth: number, keys: Set<string>): number {
  const end = match(STRING, text, start);
  if (end === undefined) {
    throw new Stop(start, isComment(text, start) ? 'JSON has no comments' : 'expected a key in double quotes');
  }
  const key: string = JSON.parse(text.slice(start, end));
  if (keys.has(key)) throw new Stop(start, `the key "${key}" is given twice`);
  keys.add(key);
  const colon = skipSpace(text, end);
  if (text[colon] !== ':') throw new Stop(colon, `expected : after the key "${key}"`);
  return value(text, skipSpace(text, colon + 1), depth);
}

function expectedValue(text: string, at: number): string {
  if (at >= text.length) return 'the text ends where a value is expected';
  if (isComment(text, at)) return 'JSON has no comments';
  if (text[at] === '"') return 'a string that is not closed, or has a raw line break or a wrong escape in it';
  return 'expected a value: a string in double quotes, a number, true, false, null, { or [';
}

const isComment = (text: string, at: number): boolean => /^(?:\/\/|\/\*|#)/.test(text.slice(at, at + 2));

function skipSpace(text: string, at: number): number {
  return match(SPACE, text, at) ?? at;
}

function match(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
