import { once } from 'node:events';
import net from 'node:net';

/** Anything that the agent says. */
export type Message = Record<string, unknown> & { readonly ok?: boolean };

/** A client that knows nothing of memtide but JSON lines: what somebody writes in an afternoon. */
export class LineClient {
  readonly socket: net.Socket;
  readonly notices: Message[] = [];
  readonly #replies: Message[] = [];
  readonly #closed: Promise<unknown>;
  #text = '';
  #wake: () => void = () => {};
  #over = false;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    this.#closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.setEncoding('utf8');
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => {
      this.#over = true;
      this.#wake();
    });
    socket.on('data', (text: string) => {
      const lines = (this.#text + text).split('\n');
      this.#text = lines.pop()!;
      for (const line of lines) {
        const message = JSON.parse(line) as Message;
        (message.notice === undefined ? this.#replies : this.notices).push(message);
      }
      this.#wake();
    });
  }

  static async open(path: string): Promise<LineClient> {
    const socket = net.connect(path);
    await once(socket, 'connect');
    return new LineClient(socket);
  }

  /** Connects and says hello. */
  static async greet(path: string, hello: Message = {}): Promise<LineClient> {
    const client = await LineClient.open(path);
    const reply = await client.call({ op: 'hello', version: 1, ...hello });
    if (reply.ok !== true) throw new Error(JSON.stringify(reply));
    return client;
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** Says something and takes the next answer. */
  call(message: Message): Promise<Message> {
    this.send(`${JSON.stringify(message)}\n`);
    return this.next();
  }

  /** The next answer. @throws Error when the connection ends without one. */
  async next(): Promise<Message> {
    await this.#until(() => this.#replies.length > 0);
    return this.#replies.shift()!;
  }

  async notice(): Promise<Message> {
    await this.#until(() => this.notices.length > 0);
    return this.notices.shift()!;
  }

  /** Answers that have come and were not taken. */
  get unread(): number {
    return this.#replies.length;
  }

  /** Ends the connection from this side, without a word. */
  async hangUp(): Promise<void> {
    this.socket.destroy();
    await this.#closed;
  }

  /** Waits until the other side has ended the connection. */
  async closed(): Promise<void> {
    await this.#closed;
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#over) throw new Error('the agent closed the connection');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
