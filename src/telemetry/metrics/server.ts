/** Serves `/metrics` over HTTP, and nothing else. Asks nobody who he is: by default it listens on loopback alone. */
import { createServer, type Server } from 'node:http';
import { EXIT, errorCode, errorMessage, MemtideError } from '../../errors.ts';
import { CONTENT_TYPE } from './exposition.ts';

export interface MetricsServerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** The text, asked for at each scrape. */
  readonly text: () => string;
}

/** Scrapers are one or two; a bound for what a runaway client can cost. */
const MAX_CONNECTIONS = 16;
const TIMEOUT_MILLIS = 5000;

export class MetricsServer {
  readonly #options: MetricsServerOptions;
  #server: Server | undefined;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
  }

  /** @returns where it is: `http://127.0.0.1:9604/metrics`. @throws MemtideError when the port cannot be had. */
  async start(): Promise<string> {
    const { host, port, text } = this.#options;
    const server = createServer((request, response) => {
      const isRead = request.method === 'GET' || request.method === 'HEAD';
      if (!isRead) response.writeHead(405, { allow: 'GET, HEAD' }).end();
      else if (request.url?.split('?', 1)[0] !== '/metrics') response.writeHead(404).end('there is /metrics only\n');
      else response.writeHead(200, { 'content-type': CONTENT_TYPE }).end(text());
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.headersTimeout = TIMEOUT_MILLIS;
    server.requestTimeout = TIMEOUT_MILLIS;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(cannotListen(host, port, cause)));
      server.listen({ host, port, exclusive: true }, () => {
        server.removeAllListeners('error');
        resolve();
      });
    });
    // A scrape is no reason to go on running.
    server.unref();
    this.#server = server;
    const at = server.address() as { readonly address: string; readonly family: string; readonly port: number };
    return `http://${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}/metrics`;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }
}

function cannotListen(host: string, port: number, cause: Error): MemtideError {
  const taken = errorCode(cause) === 'EADDRINUSE';
  return new MemtideError({
    operation: 'serve metrics',
    object: `${host}:${port}`,
    expected: 'a free port',
    actual: taken ? 'another program listens there' : (errorCode(cause) ?? errorMessage(cause)),
    remedy: taken ? 'choose another metrics.port' : 'check metrics.host and metrics.port',
    cause,
    exitCode: EXIT.unavailable,
  });
}
