/**
 * The broker inside the agent: aedes, MQTT 3.1.1 only, everything in memory. It asks for no password, so by default it
 * listens on loopback alone.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Aedes } from 'aedes';
import { EXIT, errorCode, MemtideError } from '../errors.ts';

export interface EmbeddedBrokerOptions {
  readonly host: string;
  /** 0 takes any free port; `address` then says which. */
  readonly port: number;
  /** Hears of clients that broke the protocol or their connection. */
  readonly onClientError?: (clientId: string | undefined, error: Error) => void;
}

/** More than the domains of a board with their tools; a bound for what a runaway client can cost. */
const MAX_CONNECTIONS = 64;

export class EmbeddedBroker {
  readonly #options: EmbeddedBrokerOptions;
  readonly #sockets = new Set<Socket>();
  #running: { readonly aedes: Aedes; readonly server: Server } | undefined;

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
  }

  /** @returns the address for clients, as `mqtt.url`. @throws MemtideError when the port cannot be had. */
  async start(): Promise<string> {
    // Loaded here: a machine with an external broker need not pay 11 MiB for this one.
    const { Aedes } = await import('aedes');
    const aedes = await Aedes.createBroker();
    const { onClientError } = this.#options;
    for (const event of ['clientError', 'connectionError'] as const) {
      aedes.on(event, (client, error) => onClientError?.(client.id ?? undefined, error));
    }
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.setNoDelay(true);
      aedes.handle(socket);
    });
    server.maxConnections = MAX_CONNECTIONS;
    try {
      await listen(server, this.#options);
    } catch (error) {
      await new Promise<void>((closed) => aedes.close(closed));
      throw error;
    }
    this.#running = { aedes, server };
    return this.address;
  }

  /** `mqtt://127.0.0.1:1883`. @throws MemtideError before `start`. */
  get address(): string {
    const at = this.#running?.server.address();
    if (at === undefined || at === null || typeof at === 'string') {
      throw new MemtideError({
        operation: 'tell the address of the embedded broker',
        actual: 'it is not running',
        exitCode: EXIT.internal,
      });
    }
    return `mqtt://${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`;
  }

  /** Ends every connection and frees the port. Retained messages are gone. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#running = undefined;
    const closed = new Promise<void>((done) => running.server.close(() => done()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await new Promise<void>((done) => running.aedes.close(done));
  }
}

function listen(server: Server, { host, port }: EmbeddedBrokerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(cannotListen(host, port, cause)));
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

function cannotListen(host: string, port: number, cause: Error): MemtideError {
  const code = errorCode(cause);
  const taken = code === 'EADDRINUSE';
  return new MemtideError({
    operation: 'start the embedded broker',
    object: `${host}:${port}`,
    expected: 'a free port',
    actual: taken ? 'another program listens there, perhaps a broker' : (code ?? cause.message),
    remedy: taken
      ? `use that broker (mqtt.url "mqtt://${host}:${port}"), or choose another mqtt.embedded.port (0 for any free one)`
      : 'check mqtt.embedded.host and mqtt.embedded.port',
    cause,
    exitCode: EXIT.unavailable,
  });
}
