/** The dashboard as a user meets it: a real browser, a real server, a real broker, agents that publish. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { systemClock } from '../../src/clock.ts';
import { Dashboard } from '../../src/dashboard/server/dashboard.ts';
import { shippedDrives } from '../../src/dashboard/server/drive-files.ts';
import { EmbeddedBroker } from '../../src/telemetry/broker.ts';
import type { DriveEntry } from '../../src/telemetry/drive/read.ts';
import { readDrive } from '../../src/telemetry/drive/read.ts';
import { bytes, formatBytes, micros } from '../../src/units.ts';
import { launchBrowser, NO_BROWSER, PageWatch } from '../browser.ts';
import { MAIN } from '../command-line.ts';
import { freePort } from '../contract/brokers.ts';
import { ReportingAgent } from '../dashboard-agent.ts';

const MIB = 1024 * 1024;
/** A loaded machine takes its time. */
const PATIENCE = { timeout: 30_000 };
const SHIPPED = path.join(shippedDrives(), 'demo.drive.jsonl');

describe('the dashboard in a browser', { skip: NO_BROWSER, timeout: 300_000 }, () => {
  let port: number;
  let broker: EmbeddedBroker;
  let dashboard: Dashboard;
  let url: string;
  let browser: Browser;
  let page: Page;
  let watch: PageWatch;
  let agents: ReportingAgent[];
  let turn = 0;
  let turning: NodeJS.Timeout;

  const startBroker = async (): Promise<void> => {
    broker = new EmbeddedBroker({ host: '127.0.0.1', port });
    await broker.start();
  };

  before(async () => {
    port = await freePort();
    await startBroker();
    const address = `mqtt://127.0.0.1:${port}`;
    dashboard = new Dashboard({
      host: '127.0.0.1',
      port: 0,
      broker: { url: address, base: 'memtide' },
      driveFolders: [shippedDrives()],
      clock: systemClock,
      procRoot: '/proc',
    });
    url = await dashboard.start();
    agents = ['cluster', 'infotainment'].map((domain) => new ReportingAgent(address, domain));
    await Promise.all(agents.map((agent) => agent.start()));
    turning = setInterval(() => {
      for (const agent of agents) agent.report(100 + turn);
    }, 200);
    browser = await launchBrowser();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    watch = new PageWatch(page);
    await page.goto(url);
  });
  after(async () => {
    clearInterval(turning);
    await browser?.close();
    await Promise.all((agents ?? []).map((agent) => agent.stop()));
    await dashboard?.stop();
    await broker?.stop();
  });
  afterEach(() => {
    assert.deepEqual(watch.errors, []);
    assert.deepEqual([...watch.origins], [new URL(url).origin], 'nobody else is asked for anything');
  });

  const sees = (selector: string, words: string | RegExp) =>
    page.locator(selector).filter({ hasText: words }).first().waitFor(PATIENCE);

  it('shows what agents report as they report it, and a burst with its stages', async () => {
    await sees('#badge-source', 'live');
    await sees('#legend', '100 MiB');
    turn = 23;
    await sees('#legend', '123 MiB');
    agents[0]!.reporter.burst({
      id: 'one',
      domain: 'cluster',
      atMicros: systemClock.monotonicMicros(),
      requestedBytes: bytes(4 * MIB),
      tierBytes: { reserve: 0, pool: 0, peer: 4 * MIB },
      mode: 'hypervisor',
      outcome: 'served',
      stages: {
        notifyMicros: micros(11),
        decideMicros: micros(7),
        releaseMicros: micros(300),
        touchMicros: micros(82),
      },
      totalMicros: micros(400),
      idleBytes: bytes(0),
      probe: { kind: 'measured', freshMicros: 2000, bestMicros: 200, bestWay: 'warm' },
    });
    await sees('#burst-title', '4.0 MiB for cluster'.replace('.0', ''));
    assert.deepEqual(await page.locator('#burst-stages b').allTextContents(), ['notify', 'decide', 'release', 'touch']);
    assert.equal(await page.locator('#burst-total').textContent(), '400 µs');
    await sees('#burst-why', /5\.0× faster than malloc of fresh pages and 2\.0× the time of the best local way/);
    await sees('#agents-list', 'infotainment');
  });

  it('marks by key and by touch; the mark is in the drive', async () => {
    const marks = async (): Promise<string[]> => {
      const lines = (await (await fetch(`${url}drive`)).text())
        .split('\n')
        .filter((line) => line.includes('"event/mark"'));
      return lines.map((line) => JSON.parse(line).source);
    };
    await page.keyboard.press('m');
    await sees('#toast', 'Marked.');
    await page.waitForFunction(() => document.getElementById('toast')!.hidden, undefined, PATIENCE);
    await page.click('#act-mark');
    await sees('#toast', 'Marked.');
    while ((await marks()).length < 2) await page.waitForTimeout(50);
    assert.deepEqual(await marks(), ['keyboard', 'touch']);
  });

  it('says that the broker is gone, and goes on when it is back', async () => {
    await broker.stop();
    await sees('#banner', `No connection to the broker mqtt://127.0.0.1:${port}`);
    await startBroker();
    turn = 77;
    await sees('#legend', '177 MiB');
    await page.locator('#banner').waitFor({ state: 'hidden', ...PATIENCE });
  });

  /** Everything in a drive that a page can show. */
  async function entriesOf(file: string): Promise<DriveEntry[]> {
    const entries: DriveEntry[] = [];
    await readDrive(file, (entry) => {
      entries.push(entry);
    });
    return entries;
  }

  it('replays a drive of its list: all of it, and each burst by keys', async () => {
    await page.keyboard.press('o');
    await page.locator('#drives-list button', { hasText: 'demo.drive.jsonl' }).click(PATIENCE);
    await sees('#toast', 'of driving');
    await sees('#badge-source', 'Replay: demo.drive.jsonl');
    const bursts = (await entriesOf(SHIPPED))
      .filter(({ report }) => report === 'event/burst')
      .sort((a, b) => a.time!.wallMillis - b.time!.wallMillis);
    const served = bursts.filter(({ payload }) => payload.outcome === 'served');
    await sees('#tile-alone-note', `of ${served.length.toLocaleString('en')} bursts`);
    const given = served.reduce((sum, { payload }) => sum + Number(payload.peer_bytes), 0);
    await sees('#tile-moved', formatBytes(given));
    const title = (at: number) =>
      `${formatBytes(Number(bursts.at(at)!.payload.requested_bytes))} for ${bursts.at(at)!.domain}`;
    for (let i = 0; i < bursts.length; i++) await page.keyboard.press('.');
    await sees('#burst-title', title(-1));
    for (let i = 0; i < 3; i++) await page.keyboard.press(',');
    await sees('#burst-title', title(-4));
    assert.equal(await page.locator('#act-mark').isVisible(), false);
  });

  it('gives the drive as CSV: the same as memtide drive export, and all of it', async () => {
    const [download] = await Promise.all([page.waitForEvent('download', PATIENCE), page.keyboard.press('d')]);
    assert.equal(download.suggestedFilename(), 'demo.csv');
    const ours = fs.readFileSync(await download.path(), 'utf8');
    const child = spawn(process.execPath, [MAIN, 'drive', 'export', SHIPPED], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [theirs] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    const lines = theirs.split('\n');
    assert.deepEqual(
      ours
        .split('\n')
        .filter((line, i) => line !== lines[i])
        .slice(0, 2),
      [],
    );
    assert.equal(ours.length, theirs.length);
    const entries = await entriesOf(SHIPPED);
    const read = rowsOf(ours);
    assert.equal(read.length, entries.length);
    entries.forEach(({ report, domain, payload, time }, i) => {
      const { domain: _, ...rest } = payload;
      const expected = { time: time ? new Date(time.wallMillis).toISOString() : '', report, domain, ...rest };
      for (const [key, value] of Object.entries(expected)) {
        const shown = typeof value === 'object' ? JSON.stringify(value) : String(value);
        assert.equal(read[i]![key], shown, `${key} of row ${i}`);
      }
    });
  });

  it('shows what is dropped onto it, whose names may be of anybody’s making, as text that stays in its place', async () => {
    const hostile = [
      `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`,
      '\u202e\u2066drac tiderc\u0000\u001b[31m\u0007',
      `${'W'.repeat(10_240)}`,
    ];
    const dropped = await page.evaluateHandle(
      (content) => {
        const carried = new DataTransfer();
        carried.items.add(new File([content], 'hostile.jsonl'));
        return carried;
      },
      hostile.flatMap((name, i) => hostileLines(name, i)).join(''),
    );
    await page.dispatchEvent('body', 'dragenter', { dataTransfer: dropped });
    await page.locator('#drop').waitFor(PATIENCE);
    await page.dispatchEvent('body', 'drop', { dataTransfer: dropped });
    await page.locator('#drop').waitFor({ state: 'hidden', ...PATIENCE });
    await sees('#badge-source', 'hostile.jsonl');
    await sees('#agents-list', '<img src=x');
    await sees('#badge-vehicle', 'WWW');
    for (let step = 0; step < 6; step++) {
      await page.keyboard.press(',');
      await page.waitForTimeout(50);
      const state = await page.evaluate(() => ({
        hacked: 'hacked' in window,
        foreign: document.querySelectorAll('main img, main script, main iframe').length,
        wide: document.documentElement.scrollWidth > innerWidth,
        unseen: /[\u202a-\u202e\u2066-\u2069]|[^\n\t\P{Cc}]/u.test(document.body.innerText),
        longest: Math.max(...document.body.innerText.split('\n').map((line) => line.length)),
      }));
      assert.deepEqual(
        { ...state, longest: state.longest < 1000 },
        {
          hacked: false,
          foreign: 0,
          wide: false,
          unseen: false,
          longest: true,
        },
      );
    }
  });

  it('goes back to the live drive, and fits a phone', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.click('#act-live');
    turn = 11;
    await sees('#legend', '111 MiB');
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  });
});

/** Rows of a CSV file (RFC 4180) by the names of their columns; an absent cell has none. */
function rowsOf(csv: string): Record<string, string>[] {
  const rows: (string | undefined)[][] = [[]];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g)) {
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? (plain || undefined));
    if (end === '\n') rows.push([]);
  }
  const [header, ...content] = rows.slice(0, -1);
  return content.map((cells) =>
    Object.fromEntries(cells.flatMap((value, i) => (value === undefined ? [] : [[header![i]!, value]]))),
  );
}

/** A drive in which every text is `name`. */
function hostileLines(name: string, i: number): string[] {
  const at = (millis: number) => ({
    v: 1,
    seq: millis,
    boot: 'b',
    mono_ns: String((millis + 1) * 1_000_000),
    ts: new Date(1.8e12 + millis).toISOString(),
    synced: true,
  });
  const domain = i === 2 ? name.slice(0, 64) : name.slice(0, 60);
  const said = (report: string, millis: number, fields: object) =>
    `${JSON.stringify({ report, domain, ...at(millis), ...fields })}\n`;
  const probe = { probe_best_us: 10, probe_fresh_us: 20, probe_best_way: name };
  const burst = { requested_bytes: 8 * MIB, reserve_bytes: 8 * MIB, total_us: 30, touch_us: 30 };
  return [
    `${JSON.stringify({ drive: 1, vehicle: name, recorder: name, boot: name })}\n`,
    said('info', 0, {
      memtide: name,
      node: name,
      kernel: name,
      arch: name,
      mode: name,
      board: name,
      enforced_by: name,
    }),
    said('state', 0, { status: 'offline', reason: name }),
    ...[0, 500, 1000].map((millis) => said('tele/alloc', millis, { leased_bytes: 10 * MIB, pool_bytes: 50 * MIB })),
    said('tele/mem', 0, { scope: name, used_bytes: 5, missing: [name] }),
    said('event/burst', 200 + i, { ...burst, ...probe, id: name, mode: name, outcome: 'served' }),
    said('event/burst', 700 + i, { ...burst, id: name, mode: name, outcome: 'refused', refusal: name }),
    said('event/mark', 400 + i, { source: name, label: name }),
    said('event/gap', 600 + i, { cause: name, from_seq: 1, to_seq: 2, records: 2 }),
    name.slice(0, 300).concat('\n'),
  ];
}
