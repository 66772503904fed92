/**
 * The dashboard's HTTP side. Routes:
 *
 *     GET  /, /app.js, /style.css …             the page
 *     GET  /drive                              everything heard so far, as a drive; `memtide-next` is the line after it
 *     GET  /events?after=N                     from line N on: `lines` (of a drive), `broker` (its state), `restart`
 *     GET  /drives, /drives/NAME               recorded drives
 *     POST /mark                               {"source":"keyboard"|"touch","label"?} → {"ok":…}
 *
 * No answer makes the browser ask anybody else: the content security policy forbids it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EXIT, errorCode, errorMessage, MemtideError } from '../../errors.ts';
import { decideAccess, TOKEN_COOKIE } from './access.ts';
import type { BrokerState, MarkOutcome } from './broker-feed.ts';
import type { DriveFiles } from './drive-files.ts';
import type { DriveHistory } from './drive-history.ts';
import { EventStream } from './event-stream.ts';
import type { PageFile } from './page-files.ts';
import { readMark } from './read-mark.ts';

export interface DashboardServerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly token?: string;
  readonly files: ReadonlyMap<string, PageFile>;
  readonly history: DriveHistory;
  readonly drives: DriveFiles;
  /** First lines of every drive: header, clock, and what is retained of each agent. */
  readonly preamble: () => string;
  readonly brokerState: () => BrokerState;
  readonly mark: (source: 'keyboard' | 'touch', label: string | undefined) => Promise<MarkOutcome>;
}

const SECURITY_HEADERS = {
  'content-security-policy': "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;
const MOST_PAGES = 32;
const BEAT_MILLIS = 10_000;

export class DashboardServer {
  readonly #options: DashboardServerOptions;
  readonly #streams = new Set<EventStream>();
  #server: Server | undefined;
  #beat: NodeJS.Timeout | undefined;

  constructor(options: DashboardServerOptions) {
    this.#options = options;
  }

  /** @returns the port. @throws MemtideError when the address cannot be had. */
  async start(): Promise<number> {
    const { host, port } = this.#options;
    const server = createServer((request, response) => void this.#serve(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(cannotListen(host, port, cause)));
      server.listen({ host, port }, resolve);
    });
    this.#server = server;
    this.#beat = setInterval(() => {
      for (const stream of this.#streams) stream.beat();
    }, BEAT_MILLIS).unref();
    return (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    clearInterval(this.#beat);
    for (const stream of this.#streams) stream.end();
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  /** @param text lines, each with its newline. @param next number of the line after them. */
  sendLines(text: string, next: number): void {
    for (const stream of this.#streams) stream.send('lines', text.trimEnd(), next);
  }

  sendBrokerState(state: BrokerState): void {
    for (const stream of this.#streams) stream.send('broker', JSON.stringify(state));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', headers } = request;
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    try {
      const url = new URL(request.url ?? '/', 'http://dashboard');
      const access = decideAccess({ method, url, headers }, this.#options.token);
      if (!access.granted) return answer(response, access.status, access.reason);
      if (access.setCookie) return this.#welcome(response);
      await this.#route(method, url, request, response);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else answer(response, 500, `a fault of memtide: ${errorMessage(error)}`);
    }
  }

  async #route(method: string, url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { files, drives, mark } = this.#options;
    if (url.pathname === '/mark') {
      if (method !== 'POST') return answer(response, 405, 'a mark is sent with POST');
      const read = await readMark(request);
      if (!read.ok) return answer(response, 400, read.reason);
      return answerJson(response, await mark(read.source, read.label));
    }
    if (method !== 'GET' && method !== 'HEAD') return answer(response, 405, 'this can only be read');
    const file = files.get(url.pathname);
    if (file) {
      response.writeHead(200, { 'content-type': file.type, 'cache-control': 'no-cache' }).end(file.content);
    } else if (url.pathname === '/drive') await this.#sendDrive(response);
    else if (url.pathname === '/events') this.#openStream(url, request, response);
    else if (url.pathname === '/drives') answerJson(response, await drives.list());
    else if (url.pathname.startsWith('/drives/')) {
      const drive = await drives.open(decoded(url.pathname.slice('/drives/'.length)));
      if (!drive) return answer(response, 404, 'there is no drive of this name');
      await pipeline(drive, response.writeHead(200, { 'content-type': 'application/x-ndjson; charset=utf-8' }));
    } else answer(response, 404, 'there is nothing here');
  }

  /** The token goes from the address, where it would be copied and logged, into a cookie. */
  #welcome(response: ServerResponse): void {
    response
      .writeHead(303, {
        location: '/',
        'set-cookie': `${TOKEN_COOKIE}=${this.#options.token}; HttpOnly; SameSite=Strict; Path=/`,
      })
      .end();
  }

  async #sendDrive(response: ServerResponse): Promise<void> {
    const { history, preamble } = this.#options;
    response.writeHead(200, {
      'content-type': 'application/x-ndjson; charset=utf-8',
      'cache-control': 'no-store',
      'memtide-first': history.first,
      'memtide-next': history.next,
    });
    const content = history.content();
    const first = preamble();
    await pipeline(
      Readable.from(
        (async function* () {
          yield first;
          yield* content;
        })(),
      ),
      response,
    ).catch(() => response.destroy()); // the page has gone
  }

  #openStream(url: URL, request: IncomingMessage, response: ServerResponse): void {
    if (this.#streams.size >= MOST_PAGES) {
      answer(response, 503, `${MOST_PAGES} pages are open already`);
      return;
    }
    const { history, brokerState } = this.#options;
    const stream = new EventStream(response);
    const after = Number(request.headers['last-event-id'] ?? url.searchParams.get('after') ?? Number.NaN);
    const missed = history.since(after);
    stream.send('broker', JSON.stringify(brokerState()));
    // A page that was gone for too long, or knows another server, loads the drive anew.
    if (missed === undefined) stream.send('restart', '', history.next);
    else if (missed.length > 0) stream.send('lines', missed.join('').trimEnd(), history.next);
    this.#streams.add(stream);
    response.once('close', () => this.#streams.delete(stream));
  }
}

/** Of an address that is none, the empty name: no drive has it. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return '';
  }
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

function answerJson(response: ServerResponse, value: unknown): void {
  response
    .writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
    .end(JSON.stringify(value));
}

function cannotListen(host: string, port: number, cause: Error): MemtideError {
  const code = errorCode(cause);
  return new MemtideError({
    operation: 'serve the dashboard',
    object: `${host}:${port}`,
    expected: 'an address of this machine and a free port',
    actual: code === 'EADDRINUSE' ? 'another program listens there' : (code ?? cause.message),
    remedy: 'choose another --port (0 for any free one) or --host',
    cause,
    exitCode: EXIT.unavailable,
  });
}
