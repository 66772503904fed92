/**
 * The tree of a xenstored in memory: nodes, permissions and transactions as docs/misc/xenstore.txt and
 * tools/xenstored/core.c of Xen describe them. A refusal is thrown as the name of its error.
 */
export interface Node {
  readonly value: Buffer;
  /** `n0`, `r5`: the first names the owner and the default. */
  readonly permissions: readonly string[];
  readonly children: readonly string[];
  readonly generation: number;
}

export class Refusal extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export interface Change {
  readonly path: string;
  /** `tree`: everything below went too, and whoever watches there is told of its own path. */
  readonly kind: 'node' | 'tree';
  /** Whoever could read it, or its parent, before or after is told. */
  readonly mayRead: (domid: number) => boolean;
}

export const parentOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')));
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

export function canonical(path: string, domid: number, special = false): string {
  if (special && /^@[A-Za-z0-9\-/_]+$/.test(path)) return path;
  const whole = path.startsWith('/') ? path : `/local/domain/${domid}/${path}`;
  const valid = /^[A-Za-z0-9\-/_@]+$/.test(path) && !path.startsWith('@') && !whole.includes('//');
  const length = path.startsWith('/') ? path.length <= 3072 : path.length <= 2048;
  if (!valid || !length || (whole !== '/' && whole.endsWith('/'))) throw new Refusal('EINVAL');
  return whole;
}

let generation = 0;

export class Tree {
  #nodes: Map<string, Node>;
  /** Of a transaction: the generation of each node when it was first used; 0 for none. */
  readonly #used: Map<string, number> | undefined;
  readonly #changed = new Set<string>();
  readonly changes: Change[] = [];

  constructor(from?: Tree) {
    this.#used = from && new Map();
    this.#nodes = from
      ? new Map(from.#nodes)
      : new Map([['/', { value: Buffer.alloc(0), permissions: ['n0'], children: [], generation: ++generation }]]);
  }

  /** A transaction on this tree. */
  begin(): Tree {
    return new Tree(this);
  }

  /** @returns whether nobody else was in between; if so, `transaction` has become part of this tree. */
  commit(transaction: Tree): boolean {
    for (const [path, seen] of transaction.#used!) {
      if ((this.#nodes.get(path)?.generation ?? 0) !== seen) return false;
    }
    for (const path of transaction.#changed) {
      const node = transaction.#nodes.get(path);
      if (node) this.#nodes.set(path, node);
      else this.#nodes.delete(path);
    }
    this.changes.push(...transaction.changes.splice(0));
    return true;
  }

  node(path: string): Node | undefined {
    const node = this.#nodes.get(path);
    if (this.#used && !this.#used.has(path)) this.#used.set(path, node?.generation ?? 0);
    return node;
  }

  /** The node, for a domain that may do that to it. */
  get(path: string, domid: number, access: 'r' | 'w'): Node {
    const node = this.node(path);
    if (node && may(node, domid, access)) return node;
    if (node) throw new Refusal('EACCES');
    let above = parentOf(path);
    while (!this.node(above)) above = parentOf(above);
    throw new Refusal(may(this.node(above)!, domid, access) ? 'ENOENT' : 'EACCES');
  }

  write(path: string, domid: number, value: Buffer | undefined): void {
    if (domid !== 0 && (value?.length ?? 0) > 2048) throw new Refusal('ENOSPC');
    if (!this.#exists(path, domid)) this.#create(path, domid);
    else if (value === undefined) return;
    const node = this.node(path)!;
    this.#put(path, { ...node, value: value ?? node.value });
    this.#tell(path, 'node', node);
  }

  setPermissions(path: string, domid: number, permissions: readonly string[]): void {
    const node = this.get(path, domid, 'w');
    if (domid !== 0 && ownerOf(node) !== domid) throw new Refusal('EACCES');
    if (permissions.length === 0 || !permissions.every((text) => /^[nrwb]\d{1,5}$/.test(text))) {
      throw new Refusal('EINVAL');
    }
    this.#put(path, { ...node, permissions });
    this.#tell(path, 'node', node, this.node(path)!);
  }

  remove(path: string, domid: number): void {
    if (!this.#exists(path, domid)) {
      if (this.node(parentOf(path))) return;
      throw new Refusal('ENOENT');
    }
    if (path === '/') throw new Refusal('EINVAL');
    this.#tell(path, 'tree', this.node(path)!);
    for (const below of [...this.#nodes.keys()].filter((other) => other.startsWith(`${path}/`))) this.#drop(below);
    this.#drop(path);
    const parent = this.node(parentOf(path))!;
    this.#put(parentOf(path), { ...parent, children: parent.children.filter((child) => child !== nameOf(path)) });
  }

  #exists(path: string, domid: number): boolean {
    try {
      this.get(path, domid, 'w');
      return true;
    } catch (error) {
      if (error instanceof Refusal && error.code === 'ENOENT') return false;
      throw error;
    }
  }

  #create(path: string, domid: number): void {
    const above = parentOf(path);
    if (!this.node(above)) this.#create(above, domid);
    const parent = this.node(above)!;
    this.#put(above, { ...parent, children: [...parent.children, nameOf(path)] });
    const [first, ...others] = parent.permissions;
    const permissions = domid === 0 ? parent.permissions : [`${first![0]}${domid}`, ...others];
    this.#put(path, { value: Buffer.alloc(0), permissions, children: [], generation: 0 });
  }

  #put(path: string, node: Node): void {
    this.node(path); // counts as used
    this.#nodes.set(path, { ...node, generation: ++generation });
    this.#changed.add(path);
  }

  #drop(path: string): void {
    this.node(path);
    this.#nodes.delete(path);
    this.#changed.add(path);
  }

  #tell(path: string, kind: Change['kind'], ...versions: readonly Node[]): void {
    const seen = [...versions, this.#nodes.get(parentOf(path))!];
    this.changes.push({ path, kind, mayRead: (domid) => seen.some((node) => may(node, domid, 'r')) });
  }
}

const ownerOf = (node: Node): number => Number(node.permissions[0]!.slice(1));

function may(node: Node, domid: number, access: 'r' | 'w'): boolean {
  if (domid === 0 || ownerOf(node) === domid) return true;
  const own = node.permissions.slice(1).find((text) => Number(text.slice(1)) === domid) ?? node.permissions[0]!;
  return own[0] === access || own[0] === 'b';
}
