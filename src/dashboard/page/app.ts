/** The page: one drive at a time, live or of a file, and everything that shows it. */

import { formatBytes } from '../../units.ts';
import type { Burst } from './data/burst.ts';
import { DriveModel } from './data/drive-model.ts';
import { panned, spanOf, type TimeWindow, within, zoomed } from './data/time-window.ts';
import { durationText, numberText } from './data/words.ts';
import { byId, saveFile, say } from './dom.ts';
import { listenToKeys } from './keys.ts';
import { fetchDrive, LiveSource } from './live-source.ts';
import { loadDrive } from './loader.ts';
import { type DriveToOpen, OpenDrive } from './open-drive.ts';
import { PageState } from './page-state.ts';
import { AgentsPanel } from './panels/agents-panel.ts';
import { type Connection, showBadges } from './panels/badges.ts';
import { BurstPanel } from './panels/burst-panel.ts';
import { FlowPanel } from './panels/flow-panel.ts';
import { Headline } from './panels/headline.ts';
import { LatencyPanel } from './panels/latency-panel.ts';
import { Legend } from './panels/legend.ts';
import { Overview } from './plots/overview.ts';
import type { OpenStreams } from './read-lines.ts';
import { sceneOf } from './scene.ts';
import { ThemeChoice } from './theme-choice.ts';
import { Timeline } from './timeline.ts';
import { showToast } from './toast.ts';

/** Panels of figures change slower than plots: they are to be read. */
const PANEL_MILLIS = 500;
/** Even while nothing is heard, time goes on. */
const TICK_MILLIS = 500;

class App {
  #state = new PageState(new DriveModel(), true);
  #connection: Connection = { server: true };
  #replayed: DriveToOpen | undefined;
  #loading = new AbortController();
  #cursorMillis: number | undefined;
  #framed = false;
  #panelsAt = Number.NEGATIVE_INFINITY;
  readonly #theme = new ThemeChoice(() => this.#refresh());
  readonly #panels = {
    headline: new Headline(),
    burst: new BurstPanel(),
    latency: new LatencyPanel(() => this.#refresh()),
    flow: new FlowPanel(),
    agents: new AgentsPanel(),
    legend: new Legend(),
  };
  readonly #timeline = new Timeline({
    pan: (byMillis) => this.#look(panned(this.#state.window, byMillis, this.#state.extent)),
    zoom: (factor, around) => this.#look(zoomed(this.#state.window, factor, around, this.#state.extent)),
    showAll: () => this.#lookAtAll(),
    chooseBurst: (burst) => this.#choose(burst),
    onCursor: (millis) => {
      this.#cursorMillis = millis;
      this.#frame();
    },
  });
  readonly #overview = new Overview(byId<HTMLCanvasElement>('overview'), (window) =>
    this.#look(within(window, this.#state.extent)),
  );
  readonly #drives = new OpenDrive((drive) => void this.#replay(drive));
  readonly #live = new LiveSource({
    onModel: (model) => {
      this.#state.renew(model);
      this.#frame();
    },
    onNews: () => {
      this.#state.noteNews();
      this.#frame();
    },
    onBroker: (broker) => {
      this.#connection = { ...this.#connection, broker };
      this.#refresh();
    },
    onServer: (server) => {
      this.#connection = { ...this.#connection, server };
      this.#refresh();
    },
  });

  start(): void {
    this.#listen();
    this.#live.start();
    setInterval(() => this.#frame(), TICK_MILLIS);
    this.#frame();
  }

  #listen(): void {
    const on = (id: string, act: () => void): void => byId(id).addEventListener('click', act);
    const actions = {
      m: () => void this.#mark('keyboard'),
      o: () => void this.#drives.ask(),
      d: () => void this.#download(),
      t: () => this.#theme.toggle(),
      f: () => this.#follow(),
      '?': () => byId<HTMLDialogElement>('help').showModal(),
      '+': () => this.#zoomBy(1 / 1.5),
      '=': () => this.#zoomBy(1 / 1.5),
      '-': () => this.#zoomBy(1.5),
      '0': () => this.#lookAtAll(),
      ',': () => this.#step(-1),
      '.': () => this.#step(1),
      ArrowLeft: () => this.#panBy(-0.2),
      ArrowRight: () => this.#panBy(0.2),
    };
    listenToKeys(actions);
    on('act-mark', () => void this.#mark('touch'));
    on('act-open', actions.o);
    on('empty-open', actions.o);
    on('act-download', actions.d);
    on('act-theme', actions.t);
    on('act-help', actions['?']);
    on('help-close', () => byId<HTMLDialogElement>('help').close());
    on('act-live', () => this.#backToLive());
    on('act-all', actions['0']);
    on('act-in', actions['+']);
    on('act-out', actions['-']);
    on('act-follow', actions.f);
    on('act-earlier', actions[',']);
    on('act-later', actions['.']);
    on('burst-latest', () => this.#choose(undefined));
    for (const button of document.querySelectorAll<HTMLButtonElement>('[data-span]')) {
      button.addEventListener('click', () => {
        this.#state.lookAtSpan(Number(button.dataset.span));
        this.#refresh();
      });
    }
  }

  #look(window: TimeWindow): void {
    this.#state.look(window);
    this.#frame();
  }

  #lookAtAll(): void {
    this.#state.lookAtAll();
    this.#refresh();
  }

  #follow(): void {
    this.#state.follow();
    this.#refresh();
  }

  #zoomBy(factor: number): void {
    const { window, extent, follows } = this.#state;
    this.#look(zoomed(window, factor, follows ? window.toMillis : (window.fromMillis + window.toMillis) / 2, extent));
  }

  #panBy(share: number): void {
    this.#look(panned(this.#state.window, share * spanOf(this.#state.window), this.#state.extent));
  }

  #choose(burst: Burst | undefined): void {
    this.#state.choose(burst);
    this.#refresh();
  }

  #step(by: -1 | 1): void {
    this.#state.step(by);
    this.#refresh();
  }

  async #mark(source: 'keyboard' | 'touch'): Promise<void> {
    if (this.#replayed) return showToast('A recorded drive takes no marks. Go back to live first.');
    try {
      const response = await fetch('/mark', { method: 'POST', body: JSON.stringify({ source }) });
      const { ok, reason } = (await response.json()) as { readonly ok?: unknown; readonly reason?: unknown };
      showToast(ok === true ? 'Marked.' : `Not marked: ${String(reason)}.`);
    } catch {
      showToast('Not marked: the dashboard’s server does not answer.');
    }
  }

  async #download(): Promise<void> {
    const { signal } = this.#loading;
    const open: OpenStreams = this.#replayed?.open ?? (async () => [(await fetchDrive(signal)).body]);
    const name = (this.#replayed?.name ?? `memtide-${this.#state.model.vehicle ?? 'drive'}`).replace(
      /(\.drive)?\.jsonl$/,
      '',
    );
    showToast('Writing the CSV file …');
    try {
      const { driveAsCsv } = await import('./export-csv.ts');
      const file = await driveAsCsv(open, signal);
      saveFile(`${name}.csv`, file);
      showToast(`${formatBytes(file.size)} as CSV.`);
    } catch (error) {
      if (!signal.aborted) showToast(`No CSV: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }

  async #replay(drive: DriveToOpen): Promise<void> {
    this.#live.stop();
    this.#loading.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.#replayed = drive;
    this.#state = new PageState(new DriveModel(), false);
    byId('progress').hidden = false;
    this.#refresh();
    const started = performance.now();
    try {
      const model = await loadDrive(drive.open, {
        signal,
        onProgress: (partly, readBytes) => {
          byId<HTMLProgressElement>('progress-bar').value = drive.bytes > 0 ? readBytes / drive.bytes : 1;
          say(byId('progress-text'), `${formatBytes(readBytes)} of ${formatBytes(drive.bytes)}`);
          this.#state.renew(partly);
          this.#frame();
        },
      });
      this.#state.renew(model);
      const span = Math.max(0, model.endMillis - model.startMillis);
      showToast(
        `${numberText(model.lines)} lines, ${durationText(span)} of driving, read in ${durationText(performance.now() - started)}.`,
      );
    } catch (error) {
      if (signal.aborted) return;
      showToast(`This drive cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
    }
    byId('progress').hidden = true;
    this.#refresh();
  }

  #backToLive(): void {
    this.#loading.abort();
    byId('progress').hidden = true;
    this.#replayed = undefined;
    this.#state = new PageState(new DriveModel(), true);
    this.#live.start();
    this.#refresh();
  }

  /** Soon, and the panels too. */
  #refresh(): void {
    this.#panelsAt = Number.NEGATIVE_INFINITY;
    this.#frame();
  }

  #frame(): void {
    if (this.#framed) return;
    this.#framed = true;
    requestAnimationFrame(() => {
      this.#framed = false;
      this.#show();
    });
  }

  #show(): void {
    const state = this.#state;
    const { model, window, extent, live } = state;
    const scene = sceneOf({
      model,
      theme: this.#theme.theme,
      window,
      endMillis: extent.toMillis,
      live,
      selected: state.shownBurst,
    });
    const empty = model.holders.length === 0;
    byId('timeline-plots').hidden = empty;
    byId('timeline-empty').hidden = !empty;
    byId('legend').hidden = empty;
    if (!empty) {
      this.#timeline.show(scene);
      this.#overview.show(scene, extent);
    }
    this.#panels.legend.show(scene, this.#cursorMillis);
    if (performance.now() - this.#panelsAt < PANEL_MILLIS) return;
    this.#panelsAt = performance.now();
    this.#panels.headline.show(scene);
    this.#panels.burst.show(scene.selected, state.hasChosen);
    this.#panels.latency.show(scene);
    this.#panels.flow.show(scene);
    this.#panels.agents.show(scene);
    this.#showControls(empty);
  }

  #showControls(empty: boolean): void {
    const { follows, live, extent, window, model } = this.#state;
    showBadges(model, this.#connection, this.#replayed?.name);
    const follow = byId('act-follow');
    follow.hidden = !live;
    follow.setAttribute('aria-pressed', String(follows));
    byId('act-live').hidden = this.#replayed === undefined;
    byId('act-mark').hidden = this.#replayed !== undefined;
    byId('burst-heading').textContent = 'One burst, stage by stage';
    const share = (window.fromMillis - extent.fromMillis) / Math.max(1, spanOf(extent) - spanOf(window));
    byId('overview').setAttribute('aria-valuenow', String(Math.round(100 * Math.min(1, Math.max(0, share)))));
    if (!empty) return;
    const url = this.#connection.broker?.url;
    say(
      byId('timeline-empty-text'),
      live
        ? `Waiting for agents${url === undefined ? '' : ` on ${url}`}. Start them with memtide agent, or see the demonstration with npm start. A recorded drive can also be dropped onto this page.`
        : 'This drive holds no readings of memory.',
    );
  }
}

new App().start();
