/** Figures and names as people read them. */

// Control characters, and those that turn the direction of writing or hide: a name must not repaint what is around it.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\u2028\u2029]/gu;

/** Text of a peer's making, fit to stand in a line: nothing unseen in it, not longer than `most` characters. */
export function plainText(text: string, most = 64): string {
  const characters = [...text.slice(0, most * 4).replace(UNSEEN, '\u{fffd}')];
  return characters.length <= most && text.length <= most * 4
    ? characters.join('')
    : `${characters.slice(0, most - 1).join('')}…`;
}

/** `7:02:11 pm` as the locale has it, with tenths where `fine`. */
export function clockText(millis: number, fine = false): string {
  const date = new Date(millis);
  if (Number.isNaN(date.getTime())) return '–';
  const two = (part: number): string => String(part).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return fine ? `${time}.${String(date.getMilliseconds()).padStart(3, '0')}` : time;
}

/** `1 h 12 min`, `42 s`, `0.4 s`. */
export function durationText(millis: number): string {
  if (millis < 10_000) return `${(millis / 1000).toFixed(1)} s`;
  const seconds = Math.round(millis / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `1.8×`, `0.07×`. */
export const ratioText = (ratio: number): string =>
  `${ratio >= 10 ? ratio.toFixed(0) : ratio >= 1 ? ratio.toFixed(1) : ratio.toFixed(2)}×`;

/** `86 %`; never `100 %` or `0 %` of what is not all or nothing. */
export function shareText(part: number, whole: number): string {
  if (whole === 0) return '–';
  const percent = (100 * part) / whole;
  if (part < whole && percent > 99) return '> 99 %';
  if (part > 0 && percent < 1) return '< 1 %';
  return `${percent.toFixed(0)} %`;
}

export const numberText = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: 1 });
