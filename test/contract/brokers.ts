/** Real brokers for tests: the embedded one, and mosquitto where it is installed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { EmbeddedBroker } from '../../src/telemetry/broker.ts';

export interface Broker {
  /** Listens on `port`; resolves when it accepts connections. */
  start(port: number): Promise<void>;
  stop(): Promise<void>;
}

export class Mosquitto implements Broker {
  readonly #program: string;
  readonly #access: readonly string[] | undefined;
  #process: ChildProcess | undefined;
  #folder: string | undefined;

  /** @param access lines of an access list, for users without passwords; anybody may do anything without one. */
  constructor(program: string, access?: readonly string[]) {
    this.#program = program;
    this.#access = access;
  }

  async start(port: number): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'memtide-mosquitto-'));
    const file = join(this.#folder, 'mosquitto.conf');
    const access = join(this.#folder, 'access');
    if (this.#access) await writeFile(access, `${this.#access.join('\n')}\n`, { mode: 0o600 });
    // As root, mosquitto becomes another user, who could not read the list.
    const list = this.#access ? `acl_file ${access}\nuser root\n` : '';
    await writeFile(file, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n${list}`);
    this.#process = spawn(this.#program, ['-c', file], { stdio: 'ignore' });
    await accepting(port);
  }

  async stop(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running && running.exitCode === null) {
      const exited = once(running, 'exit');
      running.kill('SIGKILL');
      await exited;
    }
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Persists as it does by itself, every half hour and at an orderly end, and is only ever killed. */
export class PersistentMosquitto implements Broker {
  readonly #program: string;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  /** @param folder of its own, for its memory. */
  constructor(program: string, folder: string) {
    this.#program = program;
    this.#folder = folder;
  }

  async start(port: number): Promise<void> {
    const file = join(this.#folder, 'mosquitto.conf');
    const lines = [`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'persistence true', 'user root'];
    await writeFile(file, `${lines.join('\n')}\npersistence_location ${this.#folder}/\n`);
    this.#process = spawn(this.#program, ['-c', file], { stdio: 'ignore' });
    await accepting(port);
  }

  async stop(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (!running || running.exitCode !== null) return;
    const exited = once(running, 'exit');
    running.kill('SIGKILL');
    await exited;
  }
}

export class Embedded implements Broker {
  #broker: EmbeddedBroker | undefined;

  async start(port: number): Promise<void> {
    this.#broker = new EmbeddedBroker({ host: '127.0.0.1', port });
    await this.#broker.start();
  }

  async stop(): Promise<void> {
    await this.#broker?.stop();
  }
}

async function accepting(port: number): Promise<void> {
  for (;;) {
    const socket = connectTcp(port, '127.0.0.1');
    const connected = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (connected) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Its path, or `undefined` where it is not installed. */
export function findMosquitto(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'mosquitto')).find((file) => existsSync(file));
}

export const mosquitto = findMosquitto();
export const brokers: ReadonlyArray<{ name: string; protocolVersion: 4 | 5; make: (() => Broker) | undefined }> = [
  { name: 'embedded broker, MQTT 3.1.1', protocolVersion: 4, make: () => new Embedded() },
  { name: 'mosquitto, MQTT 3.1.1', protocolVersion: 4, make: mosquitto ? () => new Mosquitto(mosquitto) : undefined },
  { name: 'mosquitto, MQTT 5', protocolVersion: 5, make: mosquitto ? () => new Mosquitto(mosquitto) : undefined },
];
