/**
 * Pages of this domain that one other domain may map, from /dev/xen/gntalloc. The other side is told their references.
 * Source: Linux, include/uapi/xen/gntalloc.h.
 *
 * A grant cannot be taken back from a domain that has it mapped: such pages stay shared until that side lets go, or dies.
 */
import fs from 'node:fs';
import { type Mapping, mapPrivate, mapShared, replaceWithPrivate, unmapPrivate, wordsOf } from '../native/mapping.ts';
import { scratchWords } from '../native/scratch.ts';
import { call, ioc, openDevice } from './device.ts';
import { XEN_PAGE_BYTES } from './page-size.ts';
import { readLong, setUnmapNotice, type UnmapNotice, writeLong } from './unmap-notice.ts';

const ALLOC_GREF = ioc('G', 5, 24);
const DEALLOC_GREF = ioc('G', 6, 16);
const WRITABLE = 1;
/** struct ioctl_gntalloc_alloc_gref: u16 domid, u16 flags, u32 count, u64 index, then the references. */
const HEADER_WORDS = 4;

const LIMIT = '/sys/module/xen_gntalloc/parameters/limit';

export interface GrantedPages extends Mapping {
  /** By these two another process of this domain maps the same pages: the device's descriptor, and where they start in it. */
  readonly fd: number;
  readonly index: number;
  /** One a page, in order: what the other side maps by. */
  readonly references: readonly number[];
  /** Notice for the other side when this one ends. */
  notify(notice: UnmapNotice): void;
  /** Takes the grant back, once the other side has let go. Views of the pages stay, and read as zeroes from here on. */
  close(): void;
}

/**
 * @param domid whom they are granted to, for reading and writing.
 * @param at where they are to be mapped; anywhere when left out.
 * @throws MemtideError where a limit is reached.
 */
export function grantPages(domid: number, count: number, at?: number): GrantedPages {
  const fd = openDevice('gntalloc');
  try {
    const { index, references } = allocate(fd, domid, count);
    const mapping = mapShared(fd, count * XEN_PAGE_BYTES, {
      what: 'granted pages',
      offset: index,
      ...(at !== undefined && { at }),
    });
    return {
      ...mapping,
      fd,
      index,
      references,
      notify: (notice) => setUnmapNotice(fd, index, notice),
      close: () => {
        try {
          replaceWithPrivate(mapping, 'granted pages');
          writeLong(0, index);
          scratchWords[2] = count;
          call({ fd, request: DEALLOC_GREF, operation: 'take a grant back', object: `${count} pages` });
        } finally {
          fs.closeSync(fd); // which takes back what that could not
        }
      },
    };
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

function allocate(fd: number, domid: number, count: number): { index: number; references: number[] } {
  const bytes = (HEADER_WORDS + count) * 4;
  const page = mapPrivate(bytes, { what: 'grant references' });
  try {
    const words = wordsOf(page);
    words[0] = domid | (WRITABLE << 16);
    words[1] = count;
    call({
      fd,
      request: ALLOC_GREF,
      operation: 'grant pages',
      object: `${count} pages to domain ${domid}`,
      address: page.address,
      remedies: {
        ENOSPC: `echo ${Math.max(count * 2, 16_384)} > ${LIMIT}; where that is not it, gnttab_max_frames on Xen’s command line is`,
        ENOMEM: 'this domain has no memory left',
      },
    });
    return { index: readLong(words, 2), references: [...words.subarray(HEADER_WORDS, HEADER_WORDS + count)] };
  } finally {
    unmapPrivate(page);
  }
}
