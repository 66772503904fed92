/**
 * How the dashboard bears a long drive: `node dist/test/bench/dashboard-hours.js [HOURS]`, 8 by default. Writes a drive of two
 * domains at 10 Hz, opens it in Chromium, and tells the time to the first plot, to the whole drive, and the pictures per
 * second while the plots are dragged with all of it in view, and with a minute.
 */
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { systemClock } from '../../src/clock.ts';
import { Dashboard } from '../../src/dashboard/server/dashboard.ts';
import { launchBrowser, NO_BROWSER } from '../browser.ts';

const MIB = 1024 * 1024;
const HZ = 10;
const DRAG_MILLIS = 5000;
const hours = Number(process.argv[2] ?? 8);

if (NO_BROWSER) {
  console.log(NO_BROWSER);
} else {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-hours-'));
  try {
    await measure(path.join(folder, 'hours.drive.jsonl'));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(file: string): Promise<void> {
  await writeDrive(file);
  console.log(`${hours} h, 2 domains, ${HZ} Hz: ${(fs.statSync(file).size / MIB).toFixed(0)} MiB`);
  const dashboard = new Dashboard({
    host: '127.0.0.1',
    port: 0,
    broker: { url: 'mqtt://127.0.0.1:1', base: 'memtide' },
    driveFolders: [],
    clock: systemClock,
    procRoot: '/proc',
  });
  const url = await dashboard.start();
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await page.goto(url);
    await watchForPlots(page);
    await page.setInputFiles('#file', file);
    await page.locator('#toast', { hasText: 'of driving' }).waitFor({ timeout: 600_000 });
    const [first, whole] = await page.evaluate(() => (window as unknown as { plots: number[] }).plots);
    console.log(`first plot after ${(first! / 1000).toFixed(2)} s, whole drive after ${(whole! / 1000).toFixed(1)} s`);
    await page.click('#act-all');
    console.log(`dragging, all of it in view: ${(await dragRate(page)).toFixed(0)} frames/s`);
    await page.evaluate(() => document.querySelector<HTMLButtonElement>('[data-span="30000"]')!.click());
    console.log(`dragging, 30 s in view: ${(await dragRate(page)).toFixed(0)} frames/s`);
  } finally {
    await browser.close();
    await dashboard.stop();
  }
}

/** Has the page note when, after the file is given, the plots appear and the progress bar goes. */
async function watchForPlots(page: Page): Promise<void> {
  await page.evaluate(() => {
    const seen = window as unknown as { plots: number[] };
    let start = 0;
    document.getElementById('file')!.addEventListener('change', () => {
      start = performance.now();
    });
    const [plots, progress] = ['timeline-plots', 'progress'].map((id) => document.getElementById(id)!);
    const look = (): void => {
      if (start > 0 && !seen.plots && !plots!.hidden) {
        // In the second frame from here the first plot has been painted.
        requestAnimationFrame(() => requestAnimationFrame(() => seen.plots.push(performance.now() - start)));
        seen.plots = [];
      }
      if (seen.plots?.length === 1 && progress!.hidden) seen.plots.push(performance.now() - start);
      else setTimeout(look, 1);
    };
    look();
  });
}

/** Drags the plots to and fro, a step for each frame. @returns frames in which the plots were drawn, per second. */
function dragRate(page: Page): Promise<number> {
  return page.evaluate(async (forMillis) => {
    const over = document.querySelector<HTMLElement>('#plot-memory .u-over')!;
    const { left, top, width, height } = over.getBoundingClientRect();
    const send = (type: string, x: number): void => {
      const place = { clientX: left + x, clientY: top + height / 2, pointerId: 7, button: 0, bubbles: true };
      over.dispatchEvent(new PointerEvent(type, place));
    };
    over.setPointerCapture = () => {}; // there is no real pointer to capture
    const frame = (): Promise<number> => new Promise(requestAnimationFrame);
    send('pointerdown', width / 2);
    const start = performance.now();
    let frames = 0;
    while (performance.now() - start < forMillis) {
      send('pointermove', width / 2 + Math.sin(frames / 9) * 200);
      await frame();
      frames++;
    }
    send('pointerup', width / 2);
    return (frames * 1000) / (performance.now() - start);
  }, DRAG_MILLIS);
}

async function writeDrive(file: string): Promise<void> {
  const out = fs.createWriteStream(file);
  const start = Date.parse('2026-11-25T07:00:00Z');
  const write = async (report: string, domain: string, millis: number, fields: object): Promise<void> => {
    const stamp = {
      v: 1,
      seq: 0,
      boot: 'bench',
      mono_ns: `${millis}000000`,
      ts: new Date(start + millis).toISOString(),
    };
    const line = `${JSON.stringify({ report, domain, ...stamp, synced: true, ...fields })}\n`;
    if (!out.write(line)) await once(out, 'drain');
  };
  for (let millis = 0; millis < hours * 3_600_000; millis += 1000 / HZ) {
    const wave = (turn: number): number => Math.round((150 + 140 * Math.sin(millis / 7000 + turn)) * MIB);
    for (const [turn, domain] of ['cluster', 'infotainment'].entries()) {
      const leased = wave(turn * 3);
      const alloc = { limit_bytes: 64 * MIB, reserve_bytes: 20 * MIB, offered_bytes: 10 * MIB, leased_bytes: leased };
      await write('tele/alloc', domain, millis, alloc);
      await write('tele/mem', domain, millis, { scope: 'domain', used_bytes: leased, limit_bytes: leased + 64 * MIB });
      const psi = {
        some_avg10_percent: 1 + Math.sin(millis / 9000),
        full_avg10_percent: 0.5,
        some_total_us: 1,
        full_total_us: 1,
      };
      await write('tele/psi', domain, millis, { scope: 'domain', ...psi });
      if (millis % 2000 === 0) {
        const tiers = { requested_bytes: 4 * MIB, reserve_bytes: 4 * MIB, pool_bytes: 0, peer_bytes: 0, idle_bytes: 0 };
        const times = {
          populate_us: 20,
          touch_us: 90,
          total_us: 110 + (millis % 700),
          probe_fresh_us: 1500,
          probe_best_us: 90,
        };
        const what = { id: `${domain}-${millis}`, mode: 'hypervisor', outcome: 'served', probe_best_way: 'warm' };
        await write('event/burst', domain, millis + 1, { ...what, ...tiers, ...times });
      }
    }
    await write('tele/alloc', 'backend', millis, { pool_bytes: 640 * MIB - wave(0) - wave(3) });
  }
  out.end();
  await once(out, 'close');
}
