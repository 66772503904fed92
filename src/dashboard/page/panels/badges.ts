/** Where the figures come from, how right the clocks are, and what does not work. */
import type { DriveModel } from '../data/drive-model.ts';
import { clockText, numberText, plainText } from '../data/words.ts';
import { byId, say } from '../dom.ts';
import type { BrokerNews } from '../live-source.ts';

export interface Connection {
  /** Whether the dashboard's own server answers. */
  readonly server: boolean;
  readonly broker?: BrokerNews;
}

/** @param replayed name of the file; absent when live. */
export function showBadges(model: DriveModel, connection: Connection, replayed: string | undefined): void {
  const badge = byId('badge-source');
  const { text, tone } =
    replayed === undefined ? liveBadge(connection) : { text: `Replay: ${plainText(replayed, 40)}`, tone: 'replay' };
  say(badge, text);
  badge.dataset.tone = tone;
  badge.title = replayed === undefined ? (connection.broker?.url ?? '') : plainText(replayed, 200);
  const vehicle = byId('badge-vehicle');
  vehicle.hidden = model.vehicle === undefined;
  say(vehicle.firstElementChild as HTMLElement, plainText(model.vehicle ?? '', 32));
  showClock(model);
  showBanner(model, connection, replayed === undefined);
}

function liveBadge({ server, broker }: Connection): { text: string; tone: string } {
  if (!server) return { text: 'server gone', tone: 'bad' };
  if (broker?.state === 'connected') return { text: 'live', tone: 'good' };
  return broker?.state === 'lost' ? { text: 'broker lost', tone: 'bad' } : { text: 'connecting', tone: 'warn' };
}

/** A wall clock that nobody has set shows a wrong time of day; spans between readings are right all the same. */
function showClock({ timeSources, domains }: DriveModel): void {
  const badge = byId('badge-clock');
  const { own, boot, recorder, none } = timeSources;
  badge.hidden = own + boot + recorder + none === 0;
  const unset = [...domains.values()].filter(({ agent }) => agent.synced === false).length;
  if (none > 0) {
    say(badge, 'clock not synchronised');
    badge.dataset.tone = 'warn';
    badge.title = `No time server has set the clock of ${unset === domains.size ? 'these agents' : 'some agents'}: the time of day may be wrong. Spans of time are right.`;
  } else if (boot + recorder > 0) {
    say(badge, 'clock corrected');
    badge.dataset.tone = 'good';
    badge.title = `${numberText(boot + recorder)} times were put right: ${numberText(boot)} by a later moment of the same start, ${numberText(recorder)} by the recorder's clock.`;
  } else {
    say(badge, 'clock synchronised');
    badge.dataset.tone = 'good';
    badge.title = 'The clocks of the agents are set by a time server.';
  }
}

function showBanner(model: DriveModel, { server, broker }: Connection, live: boolean): void {
  const banner = byId('banner');
  const trouble = live ? liveTrouble(model, server, broker) : replayTrouble(model);
  banner.hidden = trouble === undefined;
  if (!trouble) return;
  say(byId('banner-text'), trouble.text);
  banner.dataset.tone = trouble.tone;
}

function liveTrouble(model: DriveModel, server: boolean, broker: BrokerNews | undefined) {
  const shown = Number.isFinite(model.endMillis)
    ? ` What was heard until ${clockText(model.endMillis)} stays here.`
    : '';
  if (!server) return { tone: 'bad', text: `The dashboard’s server does not answer; trying again.${shown}` };
  if (broker?.state === 'lost') {
    const since = `since ${clockText(broker.sinceMillis)}`;
    const why = broker.reason ? ` (${plainText(broker.reason, 160)})` : '';
    return {
      tone: 'bad',
      text: `No connection to the broker ${plainText(broker.url, 120)} ${since}${why}; trying again.${shown}`,
    };
  }
  if (model.unshownDomains > 0)
    return { tone: 'warn', text: 'More domains report than a board can have; the first 64 are shown.' };
  return undefined;
}

function replayTrouble({ badLines, firstBad, domains, lines }: DriveModel) {
  if (domains.size === 0 && lines > 0) {
    return {
      tone: 'bad',
      text: `There is no drive in this file${firstBad ? `: ${plainText(firstBad, 160)}` : ''}. Drives are what memtide drive record writes, and the files of log_dir.`,
    };
  }
  if (badLines > 0) {
    return {
      tone: 'warn',
      text: `${numberText(badLines)} ${badLines === 1 ? 'line' : 'lines'} could not be read (${plainText(firstBad ?? '', 120)}); everything else is shown.`,
    };
  }
  return undefined;
}
