/** The four figures on top, and the sentence that says what they mean. */
import { formatBytes, formatMicros } from '../../../units.ts';
import { distributionOf } from '../data/distribution.ts';
import { freeBytes, readerOf } from '../data/memory-stack.ts';
import { ratioText, shareText } from '../data/words.ts';
import { byId, say } from '../dom.ts';
import type { Scene } from '../scene.ts';

export class Headline {
  show({ bursts, model, window, endMillis }: Scene): void {
    const served = bursts.filter(({ refusal }) => refusal === undefined);
    const alone = served.filter(({ tierBytes }) => tierBytes.peer === 0).length;
    const moved = served.reduce((sum, { tierBytes }) => sum + tierBytes.peer, 0);
    const { burst, fresh, best } = distributionOf(bursts).summary;
    say(byId('tile-latency'), burst ? formatMicros(burst.p50) : '–');
    say(
      byId('tile-latency-note'),
      burst && fresh && best
        ? `${ratioText(burst.p50 / fresh.p50)} malloc, ${ratioText(burst.p50 / best.p50)} best local`
        : 'no burst in view to compare',
    );
    say(byId('tile-alone'), shareText(alone, served.length));
    const refused = bursts.length - served.length;
    say(
      byId('tile-alone-note'),
      `of ${served.length.toLocaleString('en')} bursts; ${refused === 0 ? 'none' : refused.toLocaleString('en')} refused`,
    );
    say(byId('tile-moved'), served.length === 0 ? '–' : formatBytes(moved));
    const at = Math.min(window.toMillis, endMillis);
    const readings = model.holders.map((domain) => readerOf(domain)(at));
    const known = model.pool.rowAt(at) >= 0;
    say(byId('tile-pool'), known ? formatBytes(toMib(freeBytes(model.pool, at, readings))) : '–');
  }
}

/** To the MiB: figures that flicker cannot be read. */
const toMib = (bytes: number): number => Math.round(bytes / 1048576) * 1048576;
