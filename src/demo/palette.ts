import { Ansis } from 'ansis';

/** The colours of the view: the sixteen that every terminal has. */
export interface Palette {
  readonly domain: (place: number, text: string) => string;
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

export function palette(colour: boolean): Palette {
  const ansi = new Ansis(colour ? 1 : 0);
  const domains = [ansi.cyan, ansi.magenta, ansi.yellow, ansi.blue];
  return {
    domain: (place, text) => domains[place % domains.length]!(text),
    strong: (text) => ansi.bold(text),
    faint: (text) => ansi.gray(text),
    good: (text) => ansi.green(text),
    bad: (text) => ansi.red(text),
  };
}

/** Colour only on a terminal that can, and never against the user's word (https://no-color.org). */
export function wantsColour(interactive: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  return interactive && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
}
