/**
 * A disk in memory that knows what a power cut may take: of each file, what was not synced is kept up to a random byte,
 * zeroed, garbled or lost. Steps can be made to fail.
 */
import type { AppendFile, SpoolDisk } from '../../../../src/telemetry/spool/disk.ts';

interface Stored {
  bytes: Buffer;
  /** How much of it a power cut cannot take. */
  synced: number;
}

export class FaultyDisk implements SpoolDisk {
  readonly name = 'a faulty disk';
  readonly files = new Map<string, Stored>();
  /** Removed since, of which a power cut may bring the name back. */
  readonly #removed = new Map<string, Stored>();
  /** Fails with this code where it returns one; asked before each step. */
  fault: (step: 'append' | 'sync' | 'create' | 'truncate' | 'remove' | 'replace' | 'read') => string | undefined = () =>
    undefined;
  syncs = 0;
  /** As cheap cards do: says that it has synced. */
  lies = false;
  mostBytes = 0;

  /** The same files on a disk of their own. */
  clone(): FaultyDisk {
    const other = new FaultyDisk();
    for (const [name, { bytes, synced }] of this.files) other.files.set(name, { bytes: Buffer.from(bytes), synced });
    return other;
  }

  async list(): Promise<string[]> {
    return [...this.files.keys()];
  }

  async read(name: string): Promise<Buffer | undefined> {
    this.#mayFail('read');
    const file = this.files.get(name);
    return file && Buffer.from(file.bytes);
  }

  async readAt(name: string, offset: number, length: number): Promise<Buffer | undefined> {
    return (await this.read(name))?.subarray(offset, offset + length);
  }

  async create(name: string): Promise<AppendFile> {
    this.#mayFail('create');
    const file: Stored = { bytes: Buffer.alloc(0), synced: 0 };
    this.files.set(name, file);
    return {
      append: async (bytes) => {
        const failure = this.#failure('append');
        // A write that fails may have written a part.
        file.bytes = Buffer.concat([file.bytes, failure ? bytes.subarray(0, bytes.length >> 1) : bytes]);
        this.mostBytes = Math.max(this.mostBytes, this.totalBytes);
        if (failure) throw failure;
      },
      sync: async () => {
        this.#mayFail('sync');
        this.syncs++;
        if (!this.lies) file.synced = file.bytes.length;
      },
      close: async () => {},
    };
  }

  async truncate(name: string, length: number): Promise<void> {
    this.#mayFail('truncate');
    const file = this.files.get(name)!;
    file.bytes = file.bytes.subarray(0, length);
    file.synced = length;
  }

  async remove(name: string): Promise<void> {
    this.#mayFail('remove');
    const file = this.files.get(name);
    if (file) this.#removed.set(name, file);
    this.files.delete(name);
  }

  async replace(name: string, content: string): Promise<void> {
    this.#mayFail('replace');
    const former = this.files.get(name);
    if (former) this.files.set(`${name}.bak`, former);
    this.files.set(name, { bytes: Buffer.from(content), synced: content.length });
  }

  get totalBytes(): number {
    return [...this.files.entries()].reduce((sum, [name, { bytes }]) => sum + (isSegment(name) ? bytes.length : 0), 0);
  }

  /** @param random in [0, 1) */
  cutPower(random: () => number): void {
    for (const [name, file] of this.#removed) if (random() < 0.3 && !this.files.has(name)) this.files.set(name, file);
    this.#removed.clear();
    for (const [name, file] of this.files) {
      const unsynced = file.bytes.length - file.synced;
      const kept = Buffer.from(file.bytes.subarray(0, file.synced + Math.floor(random() * (unsynced + 1))));
      const fate = random();
      if (fate < 0.2) kept.fill(0, file.synced);
      else if (fate < 0.4) for (let i = file.synced; i < kept.length; i++) kept[i] = Math.floor(random() * 256);
      this.files.set(name, { bytes: kept, synced: kept.length });
    }
  }

  #mayFail(step: Parameters<FaultyDisk['fault']>[0]): void {
    const failure = this.#failure(step);
    if (failure) throw failure;
  }

  #failure(step: Parameters<FaultyDisk['fault']>[0]): Error | undefined {
    const code = this.fault(step);
    return code === undefined ? undefined : Object.assign(new Error(`${code}: ${step}`), { code });
  }
}

export const isSegment = (name: string): boolean => name.endsWith('.segment');

/** The disk as one process sees it, which dies after so many steps: in the middle of a write, if it is one. */
export class MortalDisk implements SpoolDisk {
  readonly name = 'a disk';
  readonly died: Promise<'died'>;
  readonly #disk: FaultyDisk;
  #stepsLeft: number;
  #die!: (value: 'died') => void;

  constructor(disk: FaultyDisk, stepsLeft = Number.POSITIVE_INFINITY) {
    this.#disk = disk;
    this.#stepsLeft = stepsLeft;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  kill(): void {
    this.#stepsLeft = -1;
    this.#die('died');
  }

  list = () => this.#step(() => this.#disk.list());
  read = (name: string) => this.#step(() => this.#disk.read(name));
  readAt = (name: string, offset: number, length: number) => this.#step(() => this.#disk.readAt(name, offset, length));
  truncate = (name: string, length: number) => this.#step(() => this.#disk.truncate(name, length));
  remove = (name: string) => this.#step(() => this.#disk.remove(name));
  replace = (name: string, content: string) => this.#step(() => this.#disk.replace(name, content));

  async create(name: string): Promise<AppendFile> {
    const file = await this.#step(() => this.#disk.create(name));
    return {
      append: (bytes) =>
        this.#step(
          () => file.append(bytes),
          () => file.append(bytes.subarray(0, bytes.length >> 1)),
        ),
      sync: () => this.#step(() => file.sync()),
      close: () => this.#step(() => file.close()),
    };
  }

  /** @param part what the last step still does. */
  async #step<T>(whole: () => Promise<T>, part?: () => Promise<unknown>): Promise<T> {
    if (this.#stepsLeft-- > 0) return whole();
    if (this.#stepsLeft === -1) await part?.();
    this.kill();
    return new Promise<never>(() => {});
  }
}
