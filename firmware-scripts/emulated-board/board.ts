/** The emulated board: boots Xen, dom0 and the guests, starts the agents, and powers it all off again. */
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { BoardProfile } from '../../src/board/profile.ts';
import { Dom0, type OrderOptions } from './dom0.ts';
import { Emulator } from './emulator.ts';
import type { Guest } from './guests.ts';
import type { Images } from './images.ts';
import type { Progress } from './progress.ts';

// Some ten times what an idle two-core machine takes: 10, 15 and 12 s.
const DOM0_SECONDS = 180;
const GUESTS_SECONDS = 300;
const ORDER_SECONDS = 120;
const POWER_OFF_SECONDS = 30;

export interface BoardOptions {
  readonly images: Images;
  readonly profile: BoardProfile;
  readonly guests: readonly Guest[];
  /** Keeps the logs. */
  readonly folder: string;
  readonly progress: Progress;
}

export class Board {
  readonly #options: BoardOptions;
  readonly #emulator: Emulator;
  readonly dom0: Dom0;
  readonly brokerPort: number;

  private constructor(options: BoardOptions, emulator: Emulator, share: string, brokerPort: number) {
    this.#options = options;
    this.#emulator = emulator;
    this.dom0 = new Dom0(share, emulator.ended);
    this.brokerPort = brokerPort;
  }

  static async powerOn(options: BoardOptions): Promise<Board> {
    const { images, guests, folder, profile } = options;
    const share = path.join(folder, 'share');
    fs.mkdirSync(path.join(share, 'log'), { recursive: true });
    for (const { name, config } of guests) fs.writeFileSync(path.join(share, `${name}.cfg`), config);
    const brokerPort = await freePort();
    const emulator = new Emulator({ images, memory: profile.memory, folder, share, brokerPort });
    return new Board(options, emulator, share, brokerPort);
  }

  /** Where the console of dom0 can be reached. */
  get consoleSocket(): string {
    return this.#emulator.consoleSocket;
  }

  /** Rejects when the board is gone. */
  get ended(): Promise<never> {
    return this.#emulator.ended;
  }

  get isRunning(): boolean {
    return this.#emulator.isRunning;
  }

  /** What is in share/log/NAME.log so far. */
  log(name: string): string {
    return readText(path.join(this.#options.folder, 'share/log', `${name}.log`));
  }

  /** Until every guest runs scripts. */
  async boot(): Promise<void> {
    const { progress, folder, guests } = this.#options;
    const console = path.join(folder, 'console.log');
    await progress.wait(
      {
        what: 'Xen has booted dom0',
        deadlineSeconds: DOM0_SECONDS,
        remedy: `read ${console}`,
        attempt: () => (readText(console).includes('memtide: dom0 is ready') ? true : undefined),
      },
      this.ended,
    );
    const names = guests.map(({ name }) => name);
    // One after the other: the toolstack has a short patience with its own scripts.
    const created = this.dom0.must(names.map((name) => `xl create /run/share/${name}.cfg`).join(' && '), {
      deadlineSeconds: GUESTS_SECONDS,
    });
    created.catch(() => {}); // awaited below, when the guests have had their time
    for (const name of names) {
      await progress.wait(
        {
          what: `guest ${name} has booted`,
          deadlineSeconds: GUESTS_SECONDS,
          remedy: `read share/log/guest-${name}.log and console.log in ${folder}`,
          attempt: () => (this.log(`guest-${name}`).includes(`memtide: ${name} is ready`) ? true : undefined),
        },
        Promise.race([this.ended, created.then(() => new Promise<never>(() => {}))]),
      );
    }
    await created;
  }

  /** Runs a script in a guest. */
  in({ address }: Guest, script: string, options: Partial<OrderOptions> = {}): Promise<string> {
    const order = `guest-run ${address} <<'END OF SCRIPT'\n${script}\nEND OF SCRIPT\n`;
    return this.dom0.must(order, { deadlineSeconds: ORDER_SECONDS, ...options });
  }

  /** dom0 powers off, and QEMU ends by that; where it does not, QEMU is ended. */
  async powerOff(): Promise<void> {
    if (!this.#emulator.isRunning) return;
    // It does not come back from this one.
    this.dom0.run('sync; busybox poweroff -f', { deadlineSeconds: POWER_OFF_SECONDS }).catch(() => {});
    const how = await this.#emulator.finish(POWER_OFF_SECONDS);
    this.#options.progress.say(
      how === 'killed' ? `  ! dom0 did not power off in ${POWER_OFF_SECONDS} s: QEMU was killed` : '  ✔ powered off',
    );
  }
}

function readText(file: string): string {
  return fs.existsSync(file) ? fs.readFileSync(file, 'latin1') : '';
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
