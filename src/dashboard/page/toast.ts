/** A short word on what has just happened; it goes by itself. */
import { plainText } from './data/words.ts';
import { byId, say } from './dom.ts';

const SHOWN_MILLIS = 5000;
let timer: ReturnType<typeof setTimeout> | undefined;

export function showToast(text: string): void {
  const toast = byId('toast');
  say(toast, plainText(text, 300));
  toast.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => {
    toast.hidden = true;
  }, SHOWN_MILLIS);
}
