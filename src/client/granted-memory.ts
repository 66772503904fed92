/**
 * An application's side in a guest under Xen: the control file lies on pages of the agent, and the arena is dom0's memory,
 * which each process maps for itself.
 */
import fs from 'node:fs';
import { MappedControlFile, readIdentity } from '../control/control-file.ts';
import type { Geometry } from '../control/layout.ts';
import type { GrantedControl } from '../coordination/session-protocol.ts';
import { MemtideError } from '../errors.ts';
import { errno, errnoName, pidfdGetfd, pidfdOpen, viewOf } from '../native/libc.ts';
import { MAX_VIEW_BYTES, type Mapping, mapShared, replaceWithPrivate, reserveAddresses } from '../native/mapping.ts';
import type { Extent } from '../platforms/contracts.ts';
import { roundUp } from '../units.ts';
import { ChunkGrants } from '../xen/chunk-grants.ts';
import { DOM0 } from '../xen/device.ts';
import { GrantedArena } from '../xen/granted-arena.ts';
import { type MappedGrants, mapGrants } from '../xen/map-grants.ts';
import { XEN_PAGE_BYTES } from '../xen/page-size.ts';
import type { LeasedMemory, LeaseWindow, Windows } from './lease-windows.ts';

const CONTROL_FILE = 'granted control file';

export interface GrantedMemory {
  readonly file: MappedControlFile;
  readonly geometry: Geometry;
  readonly memory: LeasedMemory;
  readonly windows: Windows;
}

/** @throws MemtideError where this process may not have what its agent has. */
export function openGranted(control: GrantedControl): GrantedMemory {
  const fd = takeFrom(control);
  let shared: Mapping;
  try {
    shared = mapShared(fd, control.byteLength, { what: CONTROL_FILE, offset: control.index });
  } finally {
    fs.closeSync(fd);
  }
  const file = new MappedControlFile(shared);
  const geometry = readIdentity(file.words, CONTROL_FILE);
  const grants = new ChunkGrants(file.words, geometry);
  const arena = new GrantedArena(grants, geometry);
  arena.follow();
  const memory: LeasedMemory = {
    mapping: arena.mapping,
    scrub: (offset, length) => arena.scrub(offset, length),
    ensure(offset, length) {
      if (!arena.ensure(offset, length)) throw notGranted(offset);
    },
    follow: () => void arena.follow(),
    close() {
      arena.close();
      // dom0 hears of the agent's end once nobody has these pages mapped. Who still looks at them sees zeroes.
      replaceWithPrivate(shared, CONTROL_FILE);
    },
  };
  return { file, geometry, memory, windows: new GrantWindows(grants) };
}

/** A descriptor of the agent's, as this process's own. */
function takeFrom({ pid, fd }: GrantedControl): number {
  const pidfd = pidfdOpen(pid);
  const taken = pidfd < 0 ? -1 : pidfdGetfd(pidfd, fd);
  const reason = errnoName(errno());
  if (pidfd >= 0) fs.closeSync(pidfd);
  if (taken >= 0) return taken;
  throw new MemtideError({
    operation: 'map the control file of this domain',
    object: `descriptor ${fd} of the agent (process ${pid})`,
    expected: 'to be given it by the kernel: pidfd_getfd(2), Linux 5.6',
    actual: reason,
    remedy: 'run the application as root, as the agent runs (or as its user, with kernel.yama.ptrace_scope=0)',
  });
}

const LEAST_WINDOW_BYTES = 256 * 1024;

/** `LeaseWindows` over grants: their pages are mapped once more, side by side. */
class GrantWindows implements Windows {
  readonly #grants: ChunkGrants;
  readonly #idle: LeaseWindow[] = [];
  readonly #shown = new Map<LeaseWindow, MappedGrants[]>();

  constructor(grants: ChunkGrants) {
    this.#grants = grants;
  }

  show(extents: readonly Extent[]): LeaseWindow {
    const window = this.#window(extents.reduce((sum, { length }) => sum + length, 0));
    const mapped: MappedGrants[] = [];
    this.#shown.set(window, mapped);
    let at = window.address;
    try {
      for (const { offset, length } of extents) {
        for (let done = 0; done < length; ) {
          const part = this.#references(offset + done, length - done);
          mapped.push(mapGrants(DOM0, part, at));
          at += part.length * XEN_PAGE_BYTES;
          done += part.length * XEN_PAGE_BYTES;
        }
      }
    } catch (error) {
      this.recycle(window);
      throw error;
    }
    return window;
  }

  recycle(window: LeaseWindow): void {
    for (const pages of this.#shown.get(window) ?? []) pages.close();
    this.#shown.delete(window);
    this.#idle.push(window);
  }

  /** Those from `offset` on, at most to the end of its chunk. */
  #references(offset: number, most: number): Int32Array {
    const { chunkBytes } = this.#grants;
    const chunk = Math.floor(offset / chunkBytes);
    const from = (offset - chunk * chunkBytes) / XEN_PAGE_BYTES;
    const references = this.#grants.referencesOf(chunk)?.subarray(from, from + most / XEN_PAGE_BYTES);
    if (references) return references;
    throw notGranted(offset);
  }

  #window(byteLength: number): LeaseWindow {
    const size = Math.min(MAX_VIEW_BYTES, Math.max(LEAST_WINDOW_BYTES, 2 ** Math.ceil(Math.log2(byteLength))));
    const fits = this.#idle.findIndex((window) => window.byteLength === size);
    if (fits >= 0) return this.#idle.splice(fits, 1)[0]!;
    const reserved = reserveAddresses(size + LEAST_WINDOW_BYTES, 'lease window');
    const address = roundUp(reserved.address, LEAST_WINDOW_BYTES);
    return { address, byteLength: size, buffer: viewOf(address, size) };
  }
}

/** Claimable, and without memory behind it: somebody has written over the ledger. */
const notGranted = (offset: number): MemtideError =>
  new MemtideError({
    operation: 'use memory of dom0',
    object: `offset ${offset}`,
    expected: 'memory that dom0 lends to this domain',
    actual: 'the ledger speaks of memory that it does not',
    remedy: 'start the agent of this domain again',
  });
