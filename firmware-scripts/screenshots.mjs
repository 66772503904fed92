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
  { name: 'light', width: 1360, height: 1000, colorScheme: 'light' },
  { name: 'dark', width: 1360, height: 1000, colorScheme: 'dark' },
  { name: 'phone', width: 390, height: 1150, colorScheme: 'light' },
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
  for (const { name, width, height, colorScheme } of SHOTS) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    await page.goto(url);
    await page.locator('#burst-total').waitFor();
    await pause(1500);
    await openBurstWithDonor(page);
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

/** Steps back through the bursts to one with a donor, as a user would: it has the most stages. */
async function openBurstWithDonor(page) {
  for (let step = 0; step < 200; step++) {
    if ((await page.locator('#burst-tier').textContent()) === 'with a donor') return;
    await page.keyboard.press(',');
    await pause(20);
  }
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
