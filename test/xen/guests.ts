/**
 * The guests of the board that the Xen suite runs on. The suite itself runs in dom0; a program of the suite in a guest
 * does there what it is asked to, over a connection between the two.
 */
import { execFile, spawn } from 'node:child_process';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { promisify } from 'node:util';
import type { GuestCall } from './guest-program.ts';

export interface Guest {
  readonly name: string;
  readonly address: string;
}

/** `cluster=10.17.0.2,infotainment=10.17.0.3`; unset anywhere but on a board. */
export const GUESTS: readonly Guest[] = (process.env.MEMTIDE_GUESTS ?? '')
  .split(',')
  .filter((text) => text !== '')
  .map((text) => {
    const [name = '', address = ''] = text.split('=');
    return { name, address };
  });

/** For tests and suites that need the board. */
export const ON_BOARD = {
  skip: GUESTS.length > 0 ? false : 'the Xen suite runs in dom0 of the emulated board: npm run test:xen',
};

const DOM0_ADDRESS = '10.17.0.1';
const run = promisify(execFile);

/** Runs a program in dom0. @returns what it said. */
export async function inDom0(program: string, ...args: string[]): Promise<string> {
  return (await run(program, args)).stdout;
}

/** Runs a shell script in a guest. @returns what it said. @throws where it ends with another code than 0. */
export async function inGuest({ address }: Guest, script: string, abandoned?: AbortSignal): Promise<string> {
  const child = spawn('guest-run', [address], { stdio: ['pipe', 'pipe', 'inherit'] });
  // Not only the script: what it has started holds these pipes open, and this process with them.
  abandoned?.addEventListener('abort', () => {
    child.kill();
    child.stdout.destroy();
    child.stdin.destroy();
  });
  child.stdin.end(script);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`in the guest at ${address}, exit code ${code}: ${output}`);
  return output;
}

export const domidOf = async ({ name }: Guest): Promise<number> => Number(await inDom0('xl', 'domid', name));

/** What it holds, as the toolstack counts: whole MiB. */
export async function xlMib({ name }: Pick<Guest, 'name'>): Promise<number> {
  const row = (await inDom0('xl', 'list', name)).trim().split('\n').at(-1)!;
  return Number(row.trim().split(/\s+/)[2]);
}

/** What a program of the suite does when it is asked: by name. */
export type Calls = Readonly<Record<string, (...args: never[]) => unknown>>;

/** A program of the suite in a guest. */
export class GuestProgram<Answers extends Calls = GuestCall> {
  readonly #socket: net.Socket;
  readonly #waiting: Array<{ resolve: (result: never) => void; reject: (error: Error) => void }> = [];
  /** Resolves when it is gone, however it went. */
  readonly gone: Promise<void>;
  readonly #abandoned: AbortController;

  private constructor(socket: net.Socket, abandoned: AbortController) {
    this.#socket = socket;
    this.#abandoned = abandoned;
    createInterface({ input: socket }).on('line', (line) => {
      const { result, error } = JSON.parse(line) as { result?: never; error?: string };
      const { resolve, reject } = this.#waiting.shift()!;
      if (error === undefined) resolve(result!);
      else reject(new Error(error));
    });
    socket.on('error', () => {}); // told by close
    this.gone = new Promise((resolve) => {
      socket.once('close', () => {
        for (const { reject } of this.#waiting.splice(0)) reject(new Error('the program in the guest is gone'));
        resolve();
      });
    });
  }

  /** @param name of the program, in this folder. */
  static async start<Answers extends Calls = GuestCall>(
    guest: Guest,
    name = 'guest-program',
  ): Promise<GuestProgram<Answers>> {
    const server = net.createServer().listen(0, DOM0_ADDRESS);
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as net.AddressInfo;
    const connected = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
    const program = `/opt/memtide/dist/test/xen/${name}.js`;
    const abandoned = new AbortController();
    const ended = inGuest(guest, `exec node ${program} ${DOM0_ADDRESS} ${port}`, abandoned.signal).then(() => {
      throw new Error('the program in the guest ended before it had connected');
    });
    const socket = await Promise.race([connected, ended]);
    ended.catch(() => {}); // from here on its end shows in the socket
    server.close();
    return new GuestProgram<Answers>(socket.setNoDelay(true), abandoned);
  }

  /** The one that all tests share: starting another takes long. */
  static shared(): Promise<GuestProgram> {
    shared ??= GuestProgram.start(GUESTS[0]!);
    return shared;
  }

  call<Name extends keyof Answers & string>(
    name: Name,
    ...args: Parameters<Answers[Name]>
  ): Promise<Awaited<ReturnType<Answers[Name]>>> {
    if (this.#socket.destroyed) return Promise.reject(new Error('the program in the guest is gone'));
    this.#socket.write(`${JSON.stringify({ name, args })}\n`);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve: resolve as never, reject }));
  }

  /** The guest has been destroyed: no packet will tell that the program in it is gone. */
  async abandon(): Promise<void> {
    this.#abandoned.abort();
    this.#socket.destroy();
    await this.gone;
  }

  /** Ends the program, and lets this one end. */
  async stop(): Promise<void> {
    this.#socket.end();
    await this.gone;
  }
}

let shared: Promise<GuestProgram> | undefined;
// The connection to it would keep this process.
after(async () => (await shared)?.stop());
