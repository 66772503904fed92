/** A socket that leads to xenstored, for as long as a test wants it to. */
import { once } from 'node:events';
import net from 'node:net';
import { XENSTORED } from './board-agents.ts';

export class XenstoreRelay {
  readonly path: string;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #isCut = false;
  /** Connections that were led on. */
  connections = 0;

  private constructor(path: string) {
    this.path = path;
    this.#server = net.createServer((socket) => this.#accept(socket));
  }

  static async open(path: string): Promise<XenstoreRelay> {
    const relay = new XenstoreRelay(path);
    relay.#server.listen(path);
    await once(relay.#server, 'listening');
    return relay;
  }

  /** Whoever is connected is not any more, and whoever connects is turned away. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #accept(socket: net.Socket): void {
    socket.on('error', () => {});
    if (this.#isCut) {
      socket.destroy();
      return;
    }
    this.connections++;
    const xenstored = net.connect(XENSTORED);
    for (const [one, other] of [
      [socket, xenstored],
      [xenstored, socket],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}
