import { MemtideError } from '../errors.ts';
import type { Fields, FoundFields } from './discovery-nodes.ts';
import type { Permission } from './xenstore/permissions.ts';
import type { Xenstore } from './xenstore/xenstore.ts';

/** A guest that writes its node without pause cannot keep the reader longer than these attempts take. */
const READ_ATTEMPTS = 5;

/**
 * The fields of a node as they were at one moment: in a transaction, so that no half of a change is seen.
 * @returns `undefined` when the node changed at every attempt.
 */
export async function readFields(
  store: Xenstore,
  path: string,
  names: readonly string[],
): Promise<FoundFields | undefined> {
  const result = await store.transaction(
    async (within) => {
      const found: Record<string, string | undefined> = {};
      for (const name of names) {
        // `denied` where nobody has made it yet: a guest is not told what there is below a node it may not read.
        const seen = await within.look(`${path}/${name}`);
        found[name] = seen.kind === 'value' ? seen.value : undefined;
      }
      return found;
    },
    { attempts: READ_ATTEMPTS },
  );
  return result.ok ? result.value : undefined;
}

/** A node of our own. What a predecessor left there goes with the first `publish`. */
export class PublishedNode {
  readonly #store: Xenstore;
  readonly #path: string;
  readonly #permissions: readonly Permission[] | undefined;
  #published: Fields | undefined;

  /** @param permissions of the node and all its fields; by default those of its parent, with this domain as owner. */
  constructor(store: Xenstore, path: string, permissions?: readonly Permission[]) {
    this.#store = store;
    this.#path = path;
    this.#permissions = permissions;
  }

  /** Writes what has changed, all of it at once. */
  async publish(fields: Fields): Promise<void> {
    const before = this.#published;
    const stale = Object.keys(before ?? {}).filter((name) => !(name in fields));
    const changed = Object.entries(fields).filter(([name, value]) => before?.[name] !== value);
    if (before && stale.length === 0 && changed.length === 0) return;
    const result = await this.#store.transaction(async (within) => {
      if (!before) {
        await within.remove(this.#path);
        await within.mkdir(this.#path);
        // Before the fields, which inherit it.
        if (this.#permissions) await within.setPermissions(this.#path, this.#permissions);
      }
      for (const name of stale) await within.remove(`${this.#path}/${name}`);
      for (const [name, value] of changed) await within.write(`${this.#path}/${name}`, value);
    });
    if (!result.ok) {
      throw new MemtideError({
        operation: 'publish a xenstore node',
        object: this.#path,
        actual: `others wrote it at each of ${result.attempts} attempts`,
        remedy: 'see who does: xenstore-watch',
      });
    }
    this.#published = fields;
  }

  async remove(): Promise<void> {
    await this.#store.remove(this.#path);
    this.#published = undefined;
  }
}
