/**
 * Pages of another domain in this one's address space, through /dev/xen/gntdev. Source: Linux,
 * include/uapi/xen/gntdev.h. Mapping them costs this domain address space only: its memory does not shrink.
 */
import fs from 'node:fs';
import { MemtideError } from '../errors.ts';
import { type Mapping, mapPrivate, mapShared, replaceWithPrivate, unmapPrivate, wordsOf } from '../native/mapping.ts';
import { scratchWords } from '../native/scratch.ts';
import { call, ioc, openDevice } from './device.ts';
import { XEN_PAGE_BYTES } from './page-size.ts';
import { readLong, setUnmapNotice, type UnmapNotice, writeLong } from './unmap-notice.ts';

const MAP_GRANT_REF = ioc('G', 0, 24);
const UNMAP_GRANT_REF = ioc('G', 1, 16);
/** struct ioctl_gntdev_map_grant_ref: u32 count, u32 pad, u64 index, then {u32 domid, u32 ref} each. */
const HEADER_WORDS = 4;

export interface MappedGrants extends Mapping {
  /** Notice for the other side when this one ends. */
  notify(notice: UnmapNotice): void;
  /**
   * Lets go of the other domain's pages. Views of them stay valid and read as zeroes from here on: ordinary memory takes
   * their place, for a view cannot be taken back from those who hold it (src/decisions/0021).
   */
  close(): void;
}

/**
 * @param references as the other domain told them: one a page, in order, at least one.
 * @param at where they are to be mapped; anywhere when left out.
 * @throws MemtideError when the domain has not granted one of them to this one.
 */
export function mapGrants(domid: number, references: ArrayLike<number>, at?: number): MappedGrants {
  const fd = openDevice('gntdev');
  const count = references.length;
  try {
    const index = reserve(fd, domid, references);
    const mapping = mapOrExplain(fd, domid, references, index, at);
    return {
      ...mapping,
      notify: (notice) => setUnmapNotice(fd, index, notice),
      close: () => {
        replaceWithPrivate(mapping, 'pages of another domain');
        writeLong(0, index);
        scratchWords[2] = count;
        scratchWords[3] = 0;
        call({ fd, request: UNMAP_GRANT_REF, operation: 'forget grants', object: `${count} pages` });
        fs.closeSync(fd);
      },
    };
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

function reserve(fd: number, domid: number, references: ArrayLike<number>): number {
  const structure = mapPrivate((HEADER_WORDS + references.length * 2) * 4, { what: 'grant references' });
  try {
    const words = wordsOf(structure);
    words[0] = references.length;
    for (let page = 0; page < references.length; page++) {
      words[HEADER_WORDS + page * 2] = domid;
      words[HEADER_WORDS + page * 2 + 1] = references[page] as number;
    }
    call({
      fd,
      request: MAP_GRANT_REF,
      operation: 'map pages of another domain',
      object: `${references.length} pages of domain ${domid}`,
      address: structure.address,
      remedies: { EINVAL: 'name at least one page, and not more than gntdev’s limit' },
    });
    return readLong(words, 2);
  } finally {
    unmapPrivate(structure);
  }
}

function mapOrExplain(
  fd: number,
  domid: number,
  references: ArrayLike<number>,
  offset: number,
  at: number | undefined,
): Mapping {
  const options = { what: 'pages of another domain', offset, ...(at !== undefined && { at }) };
  try {
    return mapShared(fd, references.length * XEN_PAGE_BYTES, options);
  } catch (cause) {
    throw new MemtideError({
      operation: 'map pages of another domain',
      object: `${references.length} pages of domain ${domid}, from reference ${references[0]}`,
      expected: 'each granted to this domain, by a domain that may (dom0 and a guest, under Xen’s default policy)',
      actual: 'Xen or the kernel refused',
      remedy: 'let the other side grant them anew and tell the references',
      cause,
    });
  }
}
