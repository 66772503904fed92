/** Server-sent events to one page: https://html.spec.whatwg.org/multipage/server-sent-events.html */
import type { ServerResponse } from 'node:http';
import { MIB } from '../../units.ts';

/** A page that does not take what it is sent is cut off; it comes back and goes on where it was. */
const MOST_WAITING_BYTES = 8 * MIB;

export class EventStream {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    // How long the browser waits before it tries again, in milliseconds.
    response.write('retry: 1000\n\n');
  }

  /** @param data any number of lines. @param id what the page says it has, when it comes back. */
  send(event: string, data: string, id?: number): void {
    if (this.#response.writableLength > MOST_WAITING_BYTES) {
      this.#response.destroy();
      return;
    }
    const lines = data.split('\n').map((line) => `data: ${line}\n`);
    this.#response.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\n${lines.join('')}\n`);
  }

  /** Keeps what lies between from taking the connection for dead. */
  beat(): void {
    this.#response.write(': \n\n');
  }

  end(): void {
    this.#response.end();
  }
}
