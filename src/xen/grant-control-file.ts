/**
 * The control file of a pair of domains: the same bytes as on one machine, on pages that the guest grants to dom0. The
 * guest makes the pages: granted the other way, they would be dom0's memory, and stuck until an unwilling guest ends. dom0
 * writes the identity, as it does on one machine, and the guest checks it (`readIdentity`).
 */

import type { ControlFile } from '../control/contracts.ts';
import { MappedControlFile, writeIdentity } from '../control/control-file.ts';
import { controlBytes, type Geometry } from '../control/layout.ts';
import { MemtideError } from '../errors.ts';
import { memset } from '../native/libc.ts';
import { type GrantedPages, grantPages } from './grant-pages.ts';
import { type MappedGrants, mapGrants } from './map-grants.ts';
import { XEN_PAGE_BYTES } from './page-size.ts';

/** The guest's side. @param geometry as the back end has told it. @param extraBytes whole pages behind the control file. */
export function grantControlFile(
  domid: number,
  geometry: Geometry,
  extraBytes = 0,
): { readonly file: ControlFile; readonly pages: GrantedPages } {
  const pages = grantPages(domid, (controlBytes(geometry) + extraBytes) / XEN_PAGE_BYTES);
  return { file: new MappedControlFile(pages), pages };
}

/**
 * dom0's side: maps the guest's pages, clears them, whatever is in them, and writes who they belong to.
 * @param domainId the back end's number of the domain, not Xen's.
 * @param extraBytes whole pages behind the control file; they stay as they are.
 * @throws MemtideError when there are too few pages for the geometry, or they cannot be mapped.
 */
export function mapControlFile(
  domid: number,
  references: readonly number[],
  geometry: Geometry,
  domainId: number,
  arenaId: number,
  extraBytes = 0,
): { readonly file: ControlFile; readonly pages: MappedGrants } {
  const bytes = controlBytes(geometry) + extraBytes;
  if (references.length * XEN_PAGE_BYTES !== bytes) {
    throw new MemtideError({
      operation: 'map the control file of a guest',
      object: `domain ${domid}`,
      expected: `${bytes / XEN_PAGE_BYTES} pages`,
      actual: `${references.length} pages`,
      remedy: 'start the agent of that guest again',
    });
  }
  const pages = mapGrants(domid, references);
  memset(pages.address, 0, controlBytes(geometry));
  const file = new MappedControlFile(pages);
  writeIdentity(file.words, geometry, domainId, arenaId);
  return { file, pages };
}
