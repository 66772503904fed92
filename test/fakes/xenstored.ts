/**
 * A small but real xenstored in memory: its tree with permissions, transactions and watches, served over Unix sockets, one
 * a domain. It keeps to docs/misc/xenstore.txt by itself, sharing no code with memtide's side of the protocol.
 */
import fs from 'node:fs';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { canonical, Refusal, Tree } from './xenstored-tree.ts';

const [DIRECTORY, READ, GET_PERMS, WATCH, UNWATCH, START, END] = [1, 2, 3, 4, 5, 6, 7];
const [GET_DOMAIN_PATH, WRITE, MKDIR, RM, SET_PERMS, WATCH_EVENT, ERROR, IS_INTRODUCED] = [
  10, 11, 12, 13, 14, 15, 16, 17,
];
const DIRECTORY_PART = 22;
const PAYLOAD_MAX = 4096;

interface Request {
  readonly type: number;
  readonly requestId: number;
  readonly transactionId: number;
  readonly payload: Buffer;
}

interface Client {
  readonly domid: number;
  readonly stream: Duplex;
  readonly watches: Array<{ readonly path: string; readonly token: string; readonly prefix: string }>;
  readonly transactions: Map<number, Tree>;
}

export class FakeXenstored {
  readonly tree = new Tree();
  readonly #clients = new Set<Client>();
  readonly #servers: net.Server[] = [];
  readonly #introduced = new Set<number>([0]);
  #nextTransaction = 1;
  /** Looks at each request first; what it returns is refused with, or nothing is answered for `silence`. */
  intercept: (request: Request, domid: number) => string | 'silence' | undefined = () => undefined;

  constructor() {
    this.#asDom0('/tool/xenstored', '');
    this.#asDom0('/local/domain/0/domid', '0');
    this.#asDom0('/local/domain/0/name', 'Domain-0');
    this.tree.changes.length = 0; // before anybody could watch
  }

  /** Listens at `path`; whoever connects there is domain `domid`. */
  async listen(path: string, domid: number): Promise<void> {
    fs.rmSync(path, { force: true });
    const server = net.createServer((socket) => this.attach(socket, domid));
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen({ path, backlog: 1 }, resolve));
  }

  /** Serves domain `domid` over a stream. */
  attach(stream: Duplex, domid: number): void {
    const client: Client = { domid, stream, watches: [], transactions: new Map() };
    this.#clients.add(client);
    let held = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= 16 && held.length >= 16 + held.readUInt32LE(12)) {
        const length = held.readUInt32LE(12);
        if (length > PAYLOAD_MAX) return stream.destroy();
        this.#serve(client, {
          type: held.readUInt32LE(0),
          requestId: held.readUInt32LE(4),
          transactionId: held.readUInt32LE(8),
          payload: held.subarray(16, 16 + length),
        });
        held = held.subarray(16 + length);
      }
    });
    stream.on('error', () => {});
    stream.on('close', () => this.#clients.delete(client));
  }

  /** What the toolstack does for a new guest (libxl_create.c): its home, and the nodes that it may write. */
  introduce(domid: number, name: string): void {
    this.#introduced.add(domid);
    const home = `/local/domain/${domid}`;
    for (const [node, value] of [
      [home, ''],
      [`${home}/name`, name],
      [`${home}/domid`, String(domid)],
    ] as const) {
      this.#asDom0(node, value);
      this.tree.setPermissions(node, 0, ['n0', `r${domid}`]);
    }
    this.#asDom0(`${home}/data`, '');
    this.tree.setPermissions(`${home}/data`, 0, [`n${domid}`]);
    this.#fireChanges();
    this.#fireSpecial('@introduceDomain');
  }

  /** The domain dies and the toolstack removes its home. */
  release(domid: number): void {
    this.#introduced.delete(domid);
    for (const client of this.#clients) if (client.domid === domid) client.stream.destroy();
    this.#fireSpecial('@releaseDomain');
    this.tree.remove(`/local/domain/${domid}`, 0);
    this.#fireChanges();
  }

  /** Writes as dom0 would. */
  write(path: string, value: string): void {
    this.#asDom0(path, value);
    this.#fireChanges();
  }

  /** Ends the connections of a domain, or all. */
  disconnect(domid?: number): void {
    for (const client of this.#clients) if (domid === undefined || client.domid === domid) client.stream.destroy();
  }

  get watchCount(): number {
    return [...this.#clients].reduce((sum, { watches }) => sum + watches.length, 0);
  }

  get transactionCount(): number {
    return [...this.#clients].reduce((sum, { transactions }) => sum + transactions.size, 0);
  }

  async stop(): Promise<void> {
    this.disconnect();
    await Promise.all(this.#servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #asDom0(path: string, value: string): void {
    this.tree.write(path, 0, Buffer.from(value));
  }

  #serve(client: Client, request: Request): void {
    const code = this.intercept(request, client.domid);
    if (code === 'silence') return;
    let after = (): void => {};
    try {
      if (code !== undefined) throw new Refusal(code);
      const payload = this.#perform(client, request, (then) => {
        after = then;
      });
      if (payload.length > PAYLOAD_MAX) throw new Refusal('E2BIG');
      send(client, request.type, request.requestId, request.transactionId, payload);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      send(client, ERROR!, request.requestId, request.transactionId, Buffer.from(`${error.code}\0`));
    }
    after();
    this.#fireChanges();
  }

  #perform(client: Client, { type, transactionId, payload }: Request, later: (then: () => void) => void): Buffer {
    const { domid } = client;
    const strings = payload.subarray(0, payload.lastIndexOf(0)).toString('latin1').split('\0');
    const [first = '', second = ''] = strings;
    const tree = transactionId === 0 || type === WATCH ? this.tree : client.transactions.get(transactionId);
    if (!tree) throw new Refusal('ENOENT');
    const ok = Buffer.from('OK\0');
    const path = (): string => {
      if (!payload.includes(0)) throw new Refusal('EINVAL');
      return canonical(first, domid);
    };
    switch (type) {
      case READ:
        return tree.get(path(), domid, 'r').value;
      case DIRECTORY:
        return listing(tree.get(path(), domid, 'r').children);
      case DIRECTORY_PART: {
        const node = tree.get(path(), domid, 'r');
        return part(listing(node.children), Number(second), node.generation);
      }
      case WRITE:
        tree.write(path(), domid, Buffer.from(payload.subarray(payload.indexOf(0) + 1)));
        return ok;
      case MKDIR:
        tree.write(path(), domid, undefined);
        return ok;
      case RM:
        tree.remove(path(), domid);
        return ok;
      case GET_PERMS:
        return listing(tree.get(path(), domid, 'r').permissions);
      case SET_PERMS:
        tree.setPermissions(path(), domid, strings.slice(1));
        return ok;
      case START: {
        if (transactionId !== 0) throw new Refusal('EBUSY');
        const id = this.#nextTransaction++;
        client.transactions.set(id, this.tree.begin());
        return Buffer.from(`${id}\0`);
      }
      case END: {
        if (transactionId === 0) throw new Refusal('ENOENT');
        client.transactions.delete(transactionId);
        if (first === 'T' && !this.tree.commit(tree)) throw new Refusal('EAGAIN');
        return ok;
      }
      case WATCH: {
        const watched = canonical(first, domid, true);
        if (client.watches.some((watch) => watch.path === watched && watch.token === second)) {
          throw new Refusal('EEXIST');
        }
        const prefix = first === watched ? '' : watched.slice(0, -first.length);
        client.watches.push({ path: watched, token: second, prefix });
        later(() => sendEvent(client, first, second));
        return ok;
      }
      case UNWATCH: {
        const watched = canonical(first, domid, true);
        const at = client.watches.findIndex((watch) => watch.path === watched && watch.token === second);
        if (at < 0) throw new Refusal('ENOENT');
        client.watches.splice(at, 1);
        return ok;
      }
      case GET_DOMAIN_PATH:
        return Buffer.from(`/local/domain/${Number(first)}\0`);
      case IS_INTRODUCED:
        if (domid !== 0) throw new Refusal('EACCES');
        return Buffer.from(this.#introduced.has(Number(first)) ? 'T\0' : 'F\0');
      default:
        throw new Refusal('ENOSYS');
    }
  }

  #fireChanges(): void {
    for (const { path, kind, mayRead } of this.tree.changes.splice(0)) {
      for (const client of this.#clients) {
        if (!mayRead(client.domid)) continue;
        for (const watch of client.watches) {
          const within = path === watch.path || watch.path === '/' || path.startsWith(`${watch.path}/`);
          const above = kind === 'tree' && watch.path.startsWith(`${path}/`);
          if (within || above) sendEvent(client, (within ? path : watch.path).slice(watch.prefix.length), watch.token);
        }
      }
    }
  }

  #fireSpecial(event: string): void {
    for (const client of this.#clients) {
      if (client.domid !== 0) continue;
      for (const watch of client.watches) if (watch.path === event) sendEvent(client, event, watch.token);
    }
  }
}

const listing = (names: readonly string[]): Buffer => Buffer.from(names.map((name) => `${name}\0`).join(''));

function part(whole: Buffer, offset: number, generation: number): Buffer {
  const head = Buffer.from(`${generation}\0`);
  if (offset >= whole.length) return Buffer.concat([head, Buffer.of(0)]);
  const room = PAYLOAD_MAX - head.length - 1;
  const rest = whole.subarray(offset);
  if (rest.length <= room) return Buffer.concat([head, rest, Buffer.of(0)]);
  return Buffer.concat([head, rest.subarray(0, rest.lastIndexOf(0, room - 1) + 1)]);
}

function send(client: Client, type: number, requestId: number, transactionId: number, payload: Buffer): void {
  const header = Buffer.alloc(16);
  [type, requestId, transactionId, payload.length].forEach((word, index) => {
    header.writeUInt32LE(word, index * 4);
  });
  if (client.stream.writable) client.stream.write(Buffer.concat([header, payload]));
}

const sendEvent = (client: Client, path: string, token: string): void =>
  send(client, WATCH_EVENT!, 0, 0, Buffer.from(`${path}\0${token}\0`));
