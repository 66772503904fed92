import type { MemtideError } from '../../errors.ts';
import type { Reply } from './connection.ts';
import { checkPath } from './paths.ts';
import { formatPermission, type Permission, parsePermission } from './permissions.ts';
import { malformedAnswer, refusal } from './refusals.ts';
import { type MessageType, nulEnded, stringsOf, XS } from './wire.ts';

/** What is at a path, for this domain. `denied`: who may not read a parent is not told whether there is a child. */
export type Look =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'denied' };

export type Ask = (type: MessageType, payload: Buffer) => Promise<Reply>;

/** A listing that changes under the reader is begun again this often. */
const LISTING_ATTEMPTS = 16;
/** Requests for one listing, above what any node needs: 65,536 domains come to 100 parts. */
const LISTING_MAX_PARTS = 1024;

/**
 * Reading and writing the tree, inside or outside a transaction. Values are text, as xenstore means them to be. Every
 * method throws `MemtideError` for a malformed path, for a refusal that it does not return, and for a lost connection.
 */
export class XenstoreOperations {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async look(path: string): Promise<Look> {
    checkPath(path);
    const reply = await this.#ask(XS.read, nulEnded(path));
    if (reply.ok) return { kind: 'value', value: reply.payload.toString() };
    if (reply.code === 'ENOENT') return { kind: 'absent' };
    if (reply.code === 'EACCES') return { kind: 'denied' };
    throw refusal('read a xenstore node', path, reply.code);
  }

  /** `undefined` if there is no such node. @throws MemtideError also if it may not be read. */
  async read(path: string): Promise<string | undefined> {
    const seen = await this.look(path);
    if (seen.kind === 'denied') throw refusal('read a xenstore node', path, 'EACCES');
    return seen.kind === 'value' ? seen.value : undefined;
  }

  /** Creates the node and its parents where they are missing. */
  async write(path: string, value: string): Promise<void> {
    checkPath(path);
    const payload = Buffer.concat([nulEnded(path), Buffer.from(value)]);
    await this.#done('write a xenstore node', path, XS.write, payload);
  }

  /** Creates an empty node and its parents; one that exists stays as it is. */
  async mkdir(path: string): Promise<void> {
    checkPath(path);
    await this.#done('create a xenstore node', path, XS.mkdir, nulEnded(path));
  }

  /** Removes the node and all below it. That it (or its parent) is absent is no error. */
  async remove(path: string): Promise<void> {
    checkPath(path);
    const reply = await this.#ask(XS.rm, nulEnded(path));
    if (!reply.ok && reply.code !== 'ENOENT') throw refusal('remove a xenstore node', path, reply.code);
  }

  /** Names of the children, in xenstored's order; `undefined` if there is no such node. */
  async list(path: string): Promise<string[] | undefined> {
    checkPath(path);
    const reply = await this.#ask(XS.directory, nulEnded(path));
    if (reply.ok) return this.#strings('list a xenstore node', path, reply.payload);
    if (reply.code === 'ENOENT') return undefined;
    if (reply.code === 'E2BIG') return this.#listInParts(path);
    throw refusal('list a xenstore node', path, reply.code);
  }

  /** Owner and default first; `undefined` if there is no such node. */
  async permissions(path: string): Promise<Permission[] | undefined> {
    checkPath(path);
    const operation = 'read the permissions of a xenstore node';
    const reply = await this.#ask(XS.getPerms, nulEnded(path));
    if (!reply.ok) {
      if (reply.code === 'ENOENT') return undefined;
      throw refusal(operation, path, reply.code);
    }
    return this.#strings(operation, path, reply.payload).map((text) => {
      const permission = parsePermission(text);
      if (permission) return permission;
      throw malformedAnswer(operation, path, 'permissions such as n0 and r5', reply.payload);
    });
  }

  /** @param permissions the first one names the owner and the default: see `Permission`. */
  async setPermissions(path: string, permissions: readonly Permission[]): Promise<void> {
    checkPath(path);
    const payload = nulEnded(path, ...permissions.map(formatPermission));
    await this.#done('set the permissions of a xenstore node', path, XS.setPerms, payload);
  }

  /** A listing above 4096 bytes comes in parts, each with the node's generation: another one means that it changed. */
  async #listInParts(path: string): Promise<string[] | undefined> {
    const operation = 'list a xenstore node in parts';
    let generation: string | undefined;
    let parts: Buffer[] = [];
    for (let attempt = 0, bytes = 0, asked = 0; attempt < LISTING_ATTEMPTS && asked < LISTING_MAX_PARTS; asked++) {
      const reply = await this.#ask(XS.directoryPart, nulEnded(path, String(bytes)));
      if (!reply.ok) {
        if (reply.code === 'ENOENT') return undefined;
        throw refusal(operation, path, reply.code);
      }
      const cut = reply.payload.indexOf(0);
      const part = reply.payload.subarray(cut + 1);
      if (cut < 1 || part.length === 0 || part.at(-1) !== 0) throw this.#noListing(operation, path, reply.payload);
      const seen = reply.payload.toString('latin1', 0, cut);
      if (generation !== undefined && seen !== generation) {
        attempt++;
        generation = undefined;
        parts = [];
        bytes = 0;
        continue;
      }
      generation = seen;
      // An empty name ends the last part.
      const isLast = part.length === 1 || part.at(-2) === 0;
      parts.push(isLast ? part.subarray(0, -1) : part);
      bytes += part.length;
      if (isLast) return this.#strings(operation, path, Buffer.concat(parts));
    }
    throw refusal(operation, path, 'EAGAIN');
  }

  #strings(operation: string, path: string, payload: Buffer): string[] {
    const strings = stringsOf(payload);
    if (strings) return strings;
    throw this.#noListing(operation, path, payload);
  }

  #noListing(operation: string, path: string, payload: Buffer): MemtideError {
    return malformedAnswer(operation, path, 'strings, each ended by a NUL', payload);
  }

  async #done(operation: string, path: string, type: MessageType, payload: Buffer): Promise<void> {
    const reply = await this.#ask(type, payload);
    if (!reply.ok) throw refusal(operation, path, reply.code);
  }
}
