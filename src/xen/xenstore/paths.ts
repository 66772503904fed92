import { MemtideError } from '../../errors.ts';

/**
 * What xenstored takes for a path. Source: docs/misc/xenstore.txt; XENSTORE_ABS_PATH_MAX and XENSTORE_REL_PATH_MAX in
 * xs_wire.h; `canonicalize` in tools/xenstored/core.c. A path without a leading / is below `/local/domain/<own domid>`.
 */
export const ABSOLUTE_PATH_MAX_BYTES = 3072;
export const RELATIVE_PATH_MAX_BYTES = 2048;
const CHARACTERS = /^[A-Za-z0-9\-/_@]+$/;

/** What is wrong with a path, or `undefined`. @param special whether `@introduceDomain` and its like are meant too. */
export function pathProblem(path: string, { special = false } = {}): string | undefined {
  if (path === '') return 'it is empty';
  if (!CHARACTERS.test(path)) return 'it has a character other than A-Z a-z 0-9 - / _ @';
  if (path.startsWith('@') && !special) return 'a path that begins with @ can only be watched';
  if (path.includes('//')) return 'it has a doubled /';
  if (path !== '/' && path.endsWith('/')) return 'it ends in a /';
  const limit = path.startsWith('/') ? ABSOLUTE_PATH_MAX_BYTES : RELATIVE_PATH_MAX_BYTES;
  return path.length > limit ? `it has ${path.length} bytes, and ${limit} are allowed` : undefined;
}

/** @throws MemtideError naming what is wrong with `path`. */
export function checkPath(path: string, options?: { readonly special?: boolean }): void {
  const problem = pathProblem(path, options);
  if (problem === undefined) return;
  throw new MemtideError({
    operation: 'use a xenstore path',
    object: path.length > 80 ? `${path.slice(0, 80)}…` : path,
    actual: problem,
    remedy: 'a path is made of names of A-Z a-z 0-9 - _ @, joined by single slashes',
  });
}

/** Whether `path` is `parent` or below it, as watches match. */
export const isAtOrBelow = (path: string, parent: string): boolean =>
  path === parent || parent === '/' || path.startsWith(`${parent}/`);
