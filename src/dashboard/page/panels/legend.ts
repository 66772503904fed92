/** Names and colours of the layers, with what each holds at the cursor, or at the end of the window. */
import { formatBytes } from '../../../units.ts';
import { freeBytes, readerOf } from '../data/memory-stack.ts';
import { clockText, plainText } from '../data/words.ts';
import { byId, make, say } from '../dom.ts';
import type { Scene } from '../scene.ts';
import { layerColour } from '../theme.ts';

const KINDS = ['leased', 'reserve', 'offered'] as const;

export class Legend {
  #made = '';
  #figures = new Map<string, HTMLElement>();

  /** @param cursorMillis where the pointer is, if it is over a plot. */
  show({ model, theme, window, endMillis }: Scene, cursorMillis: number | undefined): void {
    const { holders, pool } = model;
    const key = JSON.stringify([holders.map(({ name }) => name), theme.dark]);
    if (key !== this.#made) {
      this.#made = key;
      this.#make(
        holders.map(({ name }) => name),
        { theme },
      );
    }
    const at = cursorMillis ?? Math.min(window.toMillis, endMillis);
    const readings = holders.map((domain) => readerOf(domain)(at));
    const figure = (name: string, bytes: number | undefined): void =>
      say(
        this.#figures.get(name)!,
        bytes === undefined ? 'not known' : formatBytes(Math.round(bytes / 1048576) * 1048576),
      );
    holders.forEach(({ name }, index) => {
      for (const kind of KINDS) figure(`${kind} ${name}`, readings[index]?.[kind]);
    });
    figure('pool', pool.rowAt(at) < 0 ? undefined : freeBytes(pool, at, readings));
    say(byId('cursor-time'), holders.length === 0 ? '' : `at ${clockText(at, cursorMillis !== undefined)}`);
  }

  #make(names: readonly string[], { theme }: Pick<Scene, 'theme'>): void {
    this.#figures = new Map();
    const item = (key: string, words: string, colour: string): HTMLElement => {
      const value = make('b', {});
      this.#figures.set(key, value);
      const swatch = make('i', { class: 'swatch', 'aria-hidden': 'true' });
      swatch.style.background = colour;
      return make('span', { class: 'item' }, swatch, words, value);
    };
    const groups = names.map((name, index) =>
      make(
        'span',
        { class: 'group' },
        make('span', { class: 'name' }, make('bdi', {}, plainText(name, 32))),
        ...KINDS.map((kind) => item(`${kind} ${name}`, kind, layerColour(theme, kind, index))),
      ),
    );
    // As in the picture from the top down: the last domain, the pool, the first.
    const pool = make('span', { class: 'group' }, item('pool', 'pool', theme.pool));
    const [first, ...others] = groups;
    byId('legend').replaceChildren(...others.reverse(), pool, ...(first ? [first] : []));
  }
}
