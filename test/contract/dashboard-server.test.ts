/** The dashboard's server with a real broker and real publishers: what a page gets, and who gets nothing. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import { Dashboard } from '../../src/dashboard/server/dashboard.ts';
import { EmbeddedBroker } from '../../src/telemetry/broker.ts';
import { type DriveMessage, parseDriveLine } from '../../src/telemetry/drive/format.ts';
import { ReportingAgent } from '../dashboard-agent.ts';
import { freePort } from './brokers.ts';

/** The messages of a text of drive lines. */
const messagesOf = (text: string): DriveMessage[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parseDriveLine(line))
    .flatMap((line) => (line.kind === 'message' ? [line.message] : []));

async function eventually<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    await pause(30);
  }
}

describe('the server of the dashboard', { timeout: 120_000 }, () => {
  let port: number;
  let broker: EmbeddedBroker;
  let dashboard: Dashboard;
  let agent: ReportingAgent;
  let url: string;
  const startBroker = async (): Promise<void> => {
    broker = new EmbeddedBroker({ host: '127.0.0.1', port });
    await broker.start();
  };
  const dashboardOn = (host: string) =>
    new Dashboard({
      host,
      port: 0,
      broker: { url: `mqtt://127.0.0.1:${port}`, base: 'memtide' },
      driveFolders: [],
      clock: systemClock,
      procRoot: '/proc',
    });
  const drive = async (): Promise<DriveMessage[]> => messagesOf(await (await fetch(`${url}drive`)).text());

  before(async () => {
    port = await freePort();
    await startBroker();
    dashboard = dashboardOn('127.0.0.1');
    url = await dashboard.start();
    agent = new ReportingAgent(`mqtt://127.0.0.1:${port}`, 'cluster');
    await agent.start();
  });
  after(async () => {
    await agent.stop();
    await dashboard.stop();
    await broker.stop();
  });

  /** Reads events until `wanted` finds what it wants in all that came. */
  async function follow<T>(address: string, wanted: (text: string) => T | undefined): Promise<T> {
    const response = await fetch(address);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { value, done } = await reader.read();
      assert.equal(done, false, `the stream ended after ${text}`);
      text += value;
      const found = wanted(text);
      if (found === undefined) continue;
      await reader.cancel();
      return found;
    }
  }

  it('has everything that was heard as a drive, and goes on from there without a line lost or twice', async () => {
    agent.report(1);
    await eventually(async () => (await drive()).some(({ report }) => report === 'tele/alloc'));
    const response = await fetch(`${url}drive`);
    const next = response.headers.get('memtide-next')!;
    const before = messagesOf(await response.text()).filter(({ report }) => report === 'tele/alloc').length;
    agent.report(2);
    agent.report(3);
    const came = await follow(`${url}events?after=${next}`, (text) => {
      const lines = [...text.matchAll(/^data: (\{"report.*)$/gm)].map(([, line]) => line).join('\n');
      const allocs = messagesOf(lines).filter(({ report }) => report === 'tele/alloc');
      return allocs.length >= 2 ? allocs.map(({ payload }) => Number(payload.leased_bytes) / 1024 ** 2) : undefined;
    });
    assert.deepEqual(came, [2, 3]);
    assert.equal((await drive()).filter(({ report }) => report === 'tele/alloc').length, before + 2);
    assert.ok((await drive()).some(({ report, payload }) => report === 'info' && payload.memtide === '0.1.0'));
  });

  it('has a page that comes from another life load the drive anew', async () => {
    assert.ok(await follow(`${url}events?after=999999`, (text) => text.includes('event: restart') || undefined));
  });

  it('has a mark published by an agent, and says so', async () => {
    const answer = await fetch(`${url}mark`, { method: 'POST', body: '{"source":"touch","label":"here"}' });
    assert.deepEqual(await answer.json(), { ok: true, domain: 'cluster' });
    const mark = await eventually(async () => (await drive()).find(({ report }) => report === 'event/mark'));
    assert.deepEqual([mark.payload.source, mark.payload.label], ['touch', 'here']);
  });

  it('takes no mark that is not one', async () => {
    for (const body of ['', '{}', '{"source":"gpio"}', '{"source":"touch","label":""}', 'x'.repeat(10_000)]) {
      assert.equal((await fetch(`${url}mark`, { method: 'POST', body })).status, 400, body.slice(0, 40));
    }
  });

  it('tells of a broker that is down, and hears what comes when it is back', async () => {
    await broker.stop();
    await follow(`${url}events?after=0`, (text) => text.includes('"state":"lost"') || undefined);
    const refused = await (await fetch(`${url}mark`, { method: 'POST', body: '{"source":"touch"}' })).json();
    assert.equal((refused as { ok: boolean }).ok, false);
    await startBroker();
    await follow(`${url}events?after=0`, (text) => text.includes('"state":"connected"') || undefined);
    agent.report(77);
    await eventually(async () => (await drive()).some(({ payload }) => payload.leased_bytes === 77 * 1024 ** 2));
  });

  /** With headers that fetch would not let through. */
  const status = (address: string, headers: Record<string, string>, method = 'GET'): Promise<number> =>
    new Promise((resolve, reject) => {
      request(address, { method, headers }, (response) => {
        response.resume();
        resolve(response.statusCode!);
      })
        .on('error', reject)
        .end();
    });

  it('answers no page of another site, by whatever name it reaches here', async () => {
    assert.equal(await status(url, { host: 'evil.example' }), 403);
    assert.equal(await status(url, { host: 'localhost:1' }), 200);
    assert.equal(await status(`${url}mark`, { origin: 'http://evil.example' }, 'POST'), 403);
    assert.equal(await status(`${url}mark`, { 'sec-fetch-site': 'cross-site' }, 'POST'), 403);
    const { headers } = await fetch(url);
    assert.match(headers.get('content-security-policy')!, /^default-src 'self';/);
  });

  it('reads no file that is not a drive of its folders', async () => {
    for (const name of ['..%2f..%2fetc%2fpasswd', '%2e%2e%2f', '%ff', 'nothing.jsonl']) {
      assert.equal(await status(`${url}drives/${name}`, {}), 404, name);
    }
  });

  describe('bound wider than this machine', () => {
    let wide: Dashboard;
    let address: URL;
    before(async () => {
      wide = dashboardOn('0.0.0.0');
      address = new URL(await wide.start());
    });
    after(() => wide.stop());

    it('shows nothing without its token', async () => {
      for (const path of ['/', '/drive', '/events', '/drives', '/app.js', '/?token=wrong']) {
        assert.equal(await status(`${address.origin}${path}`, {}), 401, path);
      }
      assert.equal(await status(`${address.origin}/`, { cookie: 'memtide-token=wrong' }), 401);
    });

    it('takes the token once from the address, and from then on from a cookie that no script can read', async () => {
      const first = await fetch(address, { redirect: 'manual' });
      assert.equal(first.status, 303);
      const cookie = first.headers.get('set-cookie')!;
      assert.match(cookie, /HttpOnly; SameSite=Strict/);
      assert.equal(await status(`${address.origin}/`, { cookie: cookie.split(';')[0]! }), 200);
    });
  });
});
