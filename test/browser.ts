/** The system's Chromium, where there is one. No browser is downloaded: what a distribution ships is what users have. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const PROGRAM = (process.env.PATH ?? '')
  .split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find((file) => existsSync(file));

/** For `skip` of a test: why there is no browser, and how to get one; `false` where there is. */
export const NO_BROWSER =
  PROGRAM === undefined &&
  'no Chromium is installed here: apt-get install chromium (Debian), and the page is tested too';

export function launchBrowser(): Promise<Browser> {
  // Chromium refuses its sandbox to root, and containers refuse it to Chromium.
  return chromium.launch({ executablePath: PROGRAM!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** What went wrong in a page, and whom it asked for anything. */
export class PageWatch {
  readonly errors: string[] = [];
  readonly origins = new Set<string>();

  constructor(page: Page) {
    page.on('pageerror', (error) => this.errors.push(error.message));
    page.on('console', (message) => {
      // A connection that fails is told to the user by the page; the browser writes it to the console too.
      if (message.type() === 'error' && !message.text().includes('net::ERR_')) this.errors.push(message.text());
    });
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol !== 'blob:' && url.protocol !== 'data:') this.origins.add(url.origin);
    });
  }
}
