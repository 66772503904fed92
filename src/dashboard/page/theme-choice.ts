/** Light or dark: as the system has it, until the user chooses. */
import { readTheme, type Theme } from './theme.ts';

const KEY = 'memtide-theme';

export class ThemeChoice {
  readonly #onChange: (theme: Theme) => void;
  readonly #system = matchMedia('(prefers-color-scheme: dark)');
  #theme: Theme | undefined;

  constructor(onChange: (theme: Theme) => void) {
    this.#onChange = onChange;
    this.#system.addEventListener('change', () => this.#apply());
    // Another zoom or screen changes how large a pixel is; plots are made anew.
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener('change', () => this.#apply());
    this.#apply();
  }

  get theme(): Theme {
    return this.#theme!;
  }

  toggle(): void {
    localStorage.setItem(KEY, this.theme.dark ? 'light' : 'dark');
    this.#apply();
  }

  #apply(): void {
    const chosen = localStorage.getItem(KEY);
    const dark = chosen === null ? this.#system.matches : chosen === 'dark';
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    this.#theme = readTheme();
    this.#onChange(this.#theme);
  }
}
