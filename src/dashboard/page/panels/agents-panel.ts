/** Who reports, and how well: presence, clock, what was given up, what waits in the spool. */
import { formatBytes } from '../../../units.ts';
import type { DomainData } from '../data/drive-model.ts';
import { durationText, numberText, plainText } from '../data/words.ts';
import { byId, make } from '../dom.ts';
import type { Scene } from '../scene.ts';

/** Agents say something at least once a second or so; this long without a word is worth telling. */
const STALE_MILLIS = 5000;
/** A few messages always wait; an agent tells of them when something else changes, and they have long gone. */
const WORTH_TELLING = 100;

export class AgentsPanel {
  #shown = '';

  show({ model, live, endMillis }: Scene): void {
    const rows = [...model.domains.values()]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((domain) => {
        const lost = model.gapRecords
          .filter((gap) => gap.domain === domain.name)
          .reduce((sum, { records = 0 }) => sum + records, 0);
        return { domain, words: wordsOf(domain, lost, live ? endMillis : undefined) };
      });
    const key = JSON.stringify(rows.map(({ domain, words }) => [domain.name, words]));
    if (key === this.#shown) return;
    this.#shown = key;
    byId('agents-empty').hidden = rows.length > 0;
    byId('agents-list').replaceChildren(...rows.map(({ domain, words }) => rowOf(domain, words)));
  }
}

interface AgentWords {
  readonly health: 'good' | 'stale' | 'off';
  readonly state: string;
  readonly details: readonly string[];
  readonly troubles: readonly string[];
  readonly spool?: { readonly text: string; readonly share: number };
}

/** @param nowMillis absent in a replay, where nothing is stale. */
export function wordsOf({ agent }: DomainData, lost: number, nowMillis: number | undefined): AgentWords {
  const { online, reason, version, mode, board, synced, queued = 0, dropped, spool, heardMillis } = agent;
  const silentMillis = nowMillis === undefined || heardMillis === undefined ? 0 : nowMillis - heardMillis;
  const off = online === false;
  const health = off ? 'off' : silentMillis > STALE_MILLIS ? 'stale' : 'good';
  const state = off
    ? `offline${reason === undefined ? '' : `: ${plainText(reason, 32)}`}`
    : health === 'stale'
      ? `silent for ${durationText(silentMillis)}`
      : nowMillis === undefined
        ? 'recorded'
        : 'online';
  return {
    health,
    state,
    details: [
      ...(version === undefined ? [] : [`memtide ${plainText(version, 16)}`]),
      ...(mode === undefined ? [] : [plainText(mode, 16)]),
      ...(board === undefined ? [] : [plainText(board, 24)]),
    ],
    troubles: [
      ...(synced === false ? ['clock not synchronised'] : []),
      ...(queued >= WORTH_TELLING ? [`${numberText(queued)} waiting`] : []),
      ...(dropped > 0 ? [`${numberText(dropped)} given up`] : []),
      ...(lost + (spool?.lost ?? 0) > 0 ? [`${numberText(Math.max(lost, spool?.lost ?? 0))} lost by the spool`] : []),
    ],
    ...(spool
      ? {
          spool: {
            text: `spool: ${numberText(spool.unsent)} unsent, ${formatBytes(spool.bytes)} of ${formatBytes(spool.capBytes)}`,
            share: spool.capBytes > 0 ? spool.bytes / spool.capBytes : 0,
          },
        }
      : {}),
  };
}

function rowOf({ name }: DomainData, { health, state, details, troubles, spool }: AgentWords): HTMLElement {
  const meter = make('span', { class: 'meter', 'aria-hidden': 'true' }, make('span', {}));
  if (spool) (meter.firstChild as HTMLElement).style.width = `${Math.min(100, 100 * spool.share)}%`;
  return make(
    'li',
    { 'data-health': health },
    make('b', {}, make('bdi', {}, plainText(name, 32))),
    make('span', { class: 'state' }, state),
    ...(details.length > 0 ? [make('small', {}, details.join(' · '))] : []),
    ...(troubles.length > 0 ? [make('small', { class: 'trouble' }, troubles.join(' · '))] : []),
    ...(spool ? [make('small', { class: 'spool' }, spool.text, meter)] : []),
  );
}
