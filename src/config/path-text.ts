/** How messages show a key of the configuration and a value. */

/** `domains[0].floor_mib`. Keys come from a file: those that are no plain words are quoted. */
export function showPath(path: ReadonlyArray<PropertyKey>): string {
  const text = path.reduce<string>((before, key) => {
    if (typeof key === 'number') return `${before}[${key}]`;
    const word = String(key);
    const shown = /^[\w$-]{1,64}$/.test(word) ? word : showValue(word);
    return before === '' ? shown : `${before}.${shown}`;
  }, '');
  return text === '' ? 'the configuration' : text;
}

/** As JSON, cut where it is long. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
