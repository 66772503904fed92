/**
 * Takes the pictures of the dashboard in README.md: node firmware-scripts/screenshots.mjs [FOLDER]. Runs `memtide start`,
 * opens its page in the system's Chromium, and takes it after half a minute, light, dark and on a phone. All of it is as it
 * was on the machine that ran this.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const folder = path.resolve(process.argv[2] ?? 'src/dashboard/pictures');
/** The window follows the last half minute: by then there is something in all of it. */
const BEFORE_MILLIS = 31_000;
const SHOTS = [
  { name: 'light', width: 1360, height: 1000, colorScheme: 'light', opens: 'any' },
  { name: 'dark', width: 1360, height: 1000, colorScheme: 'dark', opens: 'donor' },
  { name: 'phone', width: 390, height: 1150, colorScheme: 'light', opens: 'any' },
];

const logDir = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-screenshots-'));
const said = path.join(logDir, 'said.txt');
const run = spawn(process.execPath, ['dist/bin/memtide.js', 'start', '--forever', '--log-dir', logDir], {
  stdio: ['ignore', fs.openSync(said, 'w'), 'inherit'],
});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  const url = await addressIn(said);
  await pause(BEFORE_MILLIS / 2);
  await fetch(`${url}mark`, { method: 'POST', body: JSON.stringify({ source: 'touch', label: 'film starts' }) });
  await pause(BEFORE_MILLIS / 2);
  fs.mkdirSync(folder, { recursive: true });
  const typical = { any: await medianBurst(url, false), donor: await medianBurst(url, true) };
  for (const { name, width, height, colorScheme, opens } of SHOTS) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    await page.goto(url);
    await page.locator('#burst-total').waitFor();
    await pause(1500);
    await openBurst(page, typical[opens]);
    const file = path.join(folder, `${name}.png`);
    await page.screenshot({ path: file });
    // Fewer colours, a third of the size. Debian: apt-get install pngquant.
    spawnSync('pngquant', ['--force', '--speed', '1', '--output', file, file], { stdio: 'inherit' });
    console.log(`${file}: ${Math.round(fs.statSync(file).size / 1024)} KiB`);
    await page.close();
  }
} finally {
  await browser.close();
  run.kill('SIGINT');
  if (run.exitCode === null) await once(run, 'exit');
  fs.rmSync(logDir, { recursive: true, force: true });
}

/**
 * The burst of median latency in view: a typical one.
 * @param {boolean} donor only of those that had one: they have the most stages.
 * @returns {Promise<string>} when it was, as the page has it.
 */
async function medianBurst(url, donor) {
  const lines = (await (await fetch(`${url}drive`)).text()).trimEnd().split('\n');
  const bursts = lines
    .map((line) => JSON.parse(line))
    .filter(
      ({ report, peer_bytes, outcome }) =>
        report === 'event/burst' && outcome === 'served' && (!donor || peer_bytes > 0),
    )
    .filter(({ ts, probe_best_us }) => Date.parse(ts) > Date.now() - BEFORE_MILLIS && probe_best_us !== undefined)
    .sort((a, b) => a.total_us - b.total_us);
  const { ts } = bursts[bursts.length >> 1];
  const at = new Date(ts);
  const two = (part) => String(part).padStart(2, '0');
  const ms = String(at.getMilliseconds()).padStart(3, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

/** Steps back through the bursts to the one of that time, as a user would. */
async function openBurst(page, when) {
  await page.evaluate(async (wanted) => {
    for (let step = 0; step < 2000; step++) {
      if (document.getElementById('burst-when').textContent === wanted) return;
      document.body.dispatchEvent(new KeyboardEvent('keydown', { key: ',', bubbles: true }));
      await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
    }
    throw new Error(`no burst at ${wanted}`);
  }, when);
}

/** The address that the run prints. @param {string} file that it prints to. */
async function addressIn(file) {
  for (;;) {
    const found = /in the browser: (http:\S+)/.exec(fs.readFileSync(file, 'utf8'));
    if (found) return found[1];
    if (run.exitCode !== null) throw new Error(`memtide start ended: ${fs.readFileSync(file, 'utf8')}`);
    await pause(100);
  }
}
