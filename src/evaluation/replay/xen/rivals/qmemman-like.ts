import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { KIB, MIB } from '../../../../units.ts';
import { QMEMMAN_PERIOD_MILLIS, qmemmanBalance, qmemmanTells } from '../../../rivals/qmemman.ts';
import { inGuest } from '../guest-program.ts';
import type { Rival, StudyBoard } from '../rival.ts';

/** Smaller changes of a target are not written. */
const SMALLEST_CHANGE = MIB;
const FIRST_WORD_MILLIS = 120_000;

/**
 * After Qubes OS' qmemman (`evaluation/rivals/qmemman.ts`): each guest's meminfo every 0.1 s, and every 0.1 s targets in
 * xenstore. What the guest's kernel holds for itself counts as used, which in Qubes OS it does not: in a guest as small as
 * these a target would else be less than its programs hold.
 */
export const qmemmanLike: Rival = {
  name: 'qmemman-like',
  about: 'dom0 shares all memory out in proportion to 1.3 × use, every 0.1 s',
  begin: async (board) => {
    const told = new Map<string, number>();
    const sockets: net.Socket[] = [];
    const server = net.createServer((socket) => {
      sockets.push(socket);
      hear(socket, told);
    });
    server.listen(0, board.ownAddress);
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const ended = new AbortController();
    const pushing = board.guests.map((guest) =>
      inGuest(guest, pushScript(guest.name, board.ownAddress, port), ended.signal),
    );
    for (const each of pushing) each.catch(() => {}); // they end with the server
    const stop = async (): Promise<void> => {
      server.close();
      for (const socket of sockets) socket.destroy();
      ended.abort();
      await Promise.allSettled(pushing);
    };
    try {
      const until = performance.now() + FIRST_WORD_MILLIS;
      while (told.size < board.guests.length) {
        if (performance.now() > until) throw new Error('a guest has told nothing of its memory');
        await sleep(QMEMMAN_PERIOD_MILLIS, undefined, { signal: board.signal });
      }
    } catch (error) {
      await stop();
      throw error;
    }
    const loop = new Loop(board, told);
    return {
      counts: async () => ({ targets_written: loop.written }),
      end: () => loop.end().finally(stop),
    };
  },
};

/** @param told what each guest uses, as it last told by the rule of when it tells. */
function hear(socket: net.Socket, told: Map<string, number>): void {
  socket.on('error', () => {}); // told by its end
  createInterface({ input: socket }).on('line', (line) => {
    const [name = '', ...kib] = line.split(' ');
    const [held = 0, free = 0, buffers = 0, cached = 0] = kib.map((text) => Number(text) * KIB);
    const used = held - free - buffers - cached;
    if (qmemmanTells(used, told.get(name), held)) told.set(name, used);
  });
}

/** No process is started in its loop: it would cost a guest in an emulator more than it tells. */
const pushScript = (name: string, address: string, port: number): string => `
  exec 3<>/dev/tcp/${address}/${port}
  echo -900 >/proc/self/oom_score_adj
  while :; do
    read -r held </sys/devices/system/xen_memory/xen_memory0/info/current_kb
    { read -r _; read -r _ free _; read -r _; read -r _ buffers _; read -r _ cached _; } </proc/meminfo
    echo "${name} $held $free $buffers $cached" >&3 || exit 0
    read -rt ${QMEMMAN_PERIOD_MILLIS / 1000} -u 3
    [ $? -gt 128 ] || exit 0
  done`;

/** dom0's loop. */
class Loop {
  readonly #board: StudyBoard;
  readonly #told: ReadonlyMap<string, number>;
  readonly #targets = new Map<string, number>();
  readonly #running: Promise<void>;
  #isEnded = false;
  written = 0;

  constructor(board: StudyBoard, told: ReadonlyMap<string, number>) {
    this.#board = board;
    this.#told = told;
    this.#running = this.#run();
    this.#running.catch(() => {}); // told at the end
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isEnded && !this.#board.signal.aborted) {
      await this.#round();
      await sleep(QMEMMAN_PERIOD_MILLIS);
    }
  }

  async #round(): Promise<void> {
    const { guests, holdings, sizes } = this.#board;
    const now = await Promise.all(
      guests.map(async ({ name }) => ({
        name,
        held: await holdings.held(name),
        used: this.#told.get(name)!,
        most: sizes.bootBytes,
        least: sizes.floorBytes,
      })),
    );
    let free = sizes.totalBytes - now.reduce((sum, { held }) => sum + held, 0);
    for (const { name, target } of qmemmanBalance(free, now)) {
      const { held } = now.find((guest) => guest.name === name)!;
      // Nobody is given what others have not yet given up.
      const reached = Math.min(target, held + Math.max(0, free));
      free -= Math.max(0, reached - held);
      await this.#set(name, reached);
    }
  }

  async #set(name: string, target: number): Promise<void> {
    if (Math.abs(target - (this.#targets.get(name) ?? 0)) < SMALLEST_CHANGE) return;
    this.#targets.set(name, target);
    this.written++;
    await this.#board.holdings.setCap(name, target);
    await this.#board.holdings.writeTarget(name, target);
  }
}
