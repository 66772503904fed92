/** What can carry the slow plane's links, each with the two ends and a way to break it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import type { BackendCall, BackendNotice, FrontendWelcome } from '../../src/coordination/agent-protocol.ts';
import type { BackendLink, LinkHost, LinkServer } from '../../src/coordination/backend-link.ts';
import type { CoordinationFields, CoordinationPort } from '../../src/coordination/coordination-port.ts';
import { MqttLink } from '../../src/coordination/mqtt-link.ts';
import { MqttLinkServer } from '../../src/coordination/mqtt-link-server.ts';
import { SocketLink } from '../../src/coordination/socket-link.ts';
import { SocketLinkServer } from '../../src/coordination/socket-link-server.ts';
import { Publisher } from '../../src/telemetry/publisher.ts';
import { Stamper } from '../../src/telemetry/stamp.ts';
import { type Broker, brokers, freePort } from './brokers.ts';

export const DOMAINS = ['cluster', 'infotainment'] as const;

export interface Host {
  readonly joined?: (domain: string, limitBytes: number | undefined) => void;
  readonly left?: (domain: string) => void;
  readonly call?: (domain: string, call: BackendCall) => void;
  readonly budgetOf?: (domain: string) => number | undefined;
}

export interface End {
  readonly joined?: (welcome: Welcome) => void;
  readonly notice?: (notice: BackendNotice) => void;
  readonly away?: (reason: string) => void;
  readonly limitBytes?: () => number | undefined;
  readonly sharesMemory?: boolean;
}

export interface Welcome {
  readonly budgetBytes?: number;
  readonly epoch: number;
}
export type Link = BackendLink<Welcome>;

export interface Carrier {
  start(): Promise<void>;
  server(host: Host): Promise<LinkServer>;
  /** Not started. */
  link(domain: string, end: End): Link;
  /** What stands breaks, and can be made again at once. */
  break(): Promise<void>;
  stop(): Promise<void>;
}

let lives = 0;

const isDomain = (name: string): boolean => (DOMAINS as readonly string[]).includes(name);
const budget = (bytes: number | undefined): { budgetBytes?: number } =>
  bytes === undefined ? {} : { budgetBytes: bytes };

function hostOf<Welcome>(host: Host, welcome: (domain: string) => Welcome): LinkHost<Welcome> {
  return {
    admit: (domain) =>
      isDomain(domain)
        ? { ok: true, welcome: welcome(domain) }
        : { ok: false, error: `no domain "${domain}" here; there are ${DOMAINS.join(', ')}` },
    joined: (domain, limitBytes) => host.joined?.(domain, limitBytes),
    left: (domain) => host.left?.(domain),
    call: (domain, call) => host.call?.(domain, call),
  };
}

const eventsOf = (end: End) => ({
  joined: (welcome: Welcome) => end.joined?.(welcome),
  notice: (notice: BackendNotice) => end.notice?.(notice),
  away: (reason: string) => end.away?.(reason),
});

/** The Unix socket, with a wire between the ends that can be cut. */
class SocketCarrier implements Carrier {
  readonly #folder = mkdtempSync(join(tmpdir(), 'memtide-carrier-'));
  readonly #sockets = new Set<Socket>();
  readonly #wire = createServer((near) => {
    const far = connect(join(this.#folder, 'back'));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  });

  async start(): Promise<void> {
    this.#wire.listen(join(this.#folder, 'wire'));
    await once(this.#wire, 'listening');
  }

  async server(host: Host): Promise<LinkServer> {
    const life = ++lives;
    const welcome = (domain: string) =>
      ({ domain, epoch: life, ...budget(host.budgetOf?.(domain)) }) as unknown as FrontendWelcome;
    const server = new SocketLinkServer(join(this.#folder, 'back'), hostOf(host, welcome), {
      status: () => 'fine',
      room: async () => false,
    });
    await server.start();
    return server;
  }

  link(domain: string, end: End): Link {
    const path = join(this.#folder, 'wire');
    return new SocketLink({ path, domain, events: eventsOf(end), limitBytes: end.limitBytes });
  }

  async break(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  async stop(): Promise<void> {
    const closed = once(this.#wire, 'close');
    this.#wire.close();
    await this.break();
    await closed;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A real broker, which is killed and started again on the same port. */
export class MqttCarrier implements Carrier {
  readonly #broker: Broker;
  readonly #protocolVersion: 4 | 5;
  readonly #publishers: Publisher[] = [];
  port = 0;

  constructor(broker: Broker, protocolVersion: 4 | 5) {
    this.#broker = broker;
    this.#protocolVersion = protocolVersion;
  }

  async start(): Promise<void> {
    this.port = await freePort();
    await this.#broker.start(this.port);
  }

  async server(host: Host): Promise<LinkServer> {
    const port = await this.connection('backend');
    const server = new MqttLinkServer({
      port,
      host: hostOf(host, (domain) => ({ mode: 'hypervisor' as const, ...budget(host.budgetOf?.(domain)) })),
      domains: DOMAINS,
      clock: systemClock,
    });
    await server.start();
    return ending(server, 'stop', () => port.end());
  }

  link(domain: string, end: End): Link {
    const { limitBytes, sharesMemory = false } = end;
    const port = new LatePort(this.connection(domain));
    const link = new MqttLink({
      port,
      backend: 'backend',
      events: eventsOf(end),
      clock: systemClock,
      sharesMemory,
      tickMillis: 50,
      startMillis: 20_000,
      ...(limitBytes && { limitBytes }),
    });
    return ending(link, 'close', () => port.end());
  }

  async break(): Promise<void> {
    await this.#broker.stop();
    await this.#broker.start(this.port);
  }

  async stop(): Promise<void> {
    for (const publisher of this.#publishers) await publisher.stop();
    await this.#broker.stop();
  }

  /** A connection of a domain's own, as telemetry has one. */
  async connection(domain: string, username?: string): Promise<EndedPort> {
    let hear: (from: string, content: Buffer) => void = () => {};
    const publisher = new Publisher({
      owner: { base: 'memtide', vehicle: 'car-7', domain },
      url: `mqtt://127.0.0.1:${this.port}`,
      protocolVersion: this.#protocolVersion,
      keepaliveSeconds: 20,
      username,
      clock: systemClock,
      stamper: new Stamper({
        clock: systemClock,
        bootId: '0f0e0d0c-0000-4000-8000-000000000000',
        readSyncState: () => ({ known: true, synced: false }),
      }),
      birth: { memtide: '0.1.0', node: process.version, kernel: '6.1.0', arch: process.arch, mode: 'hypervisor' },
      onCoordination: (from, content) => hear(from, content),
      reconnectMillis: 20,
      random: () => 0,
      stopMillis: 200,
    });
    this.#publishers.push(publisher);
    await publisher.start();
    return {
      send: (to, fields) => publisher.coordinate(to, fields),
      listen: (listener) => {
        hear = listener;
      },
      end: () => publisher.stop(),
    };
  }
}

interface EndedPort extends CoordinationPort {
  end(): Promise<void>;
}

/** The same object, whose end also ends what was made for it; once. */
function ending<Method extends string, Thing extends Record<Method, () => Promise<void>>>(
  thing: Thing,
  method: Method,
  also: () => Promise<void>,
): Thing {
  const end = thing[method].bind(thing);
  let ended: Promise<void> | undefined;
  const whole = (): Promise<void> => {
    ended ??= end().then(also);
    return ended;
  };
  return Object.assign(thing, { [method]: whole });
}

/** A connection that is still being made sends nothing, as one that is broken. */
class LatePort implements EndedPort {
  readonly #made: Promise<EndedPort>;
  #port: CoordinationPort | undefined;
  #listener: (from: string, content: Buffer) => void = () => {};

  constructor(port: Promise<EndedPort>) {
    this.#made = port;
    void port.then((made) => {
      this.#port = made;
      made.listen((from, content) => this.#listener(from, content));
    });
  }

  send(to: string, fields: CoordinationFields): boolean {
    return this.#port?.send(to, fields) === true;
  }

  listen(hear: (from: string, content: Buffer) => void): void {
    this.#listener = hear;
  }

  async end(): Promise<void> {
    await (await this.#made).end();
  }
}

export const carriers: ReadonlyArray<{ name: string; make: (() => Carrier) | undefined }> = [
  { name: 'Unix socket', make: () => new SocketCarrier() },
  ...brokers.map(({ name, protocolVersion, make }) => ({
    name,
    make: make && (() => new MqttCarrier(make(), protocolVersion)),
  })),
];
