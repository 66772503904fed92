/** The page as firmware-scripts/bundle-dashboard.mjs has built it. Read once: it is small, and served from memory. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { EXIT, errorCode, errorMessage, MemtideError } from '../../errors.ts';
import { packageRoot } from '../../package-root.ts';

export interface PageFile {
  readonly type: string;
  readonly content: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** By path of the URL. @throws MemtideError when the page has not been built. */
export function readPageFiles(folder = path.join(packageRoot(), 'dist', 'dashboard')): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  try {
    for (const name of readdirSync(folder)) {
      const type = TYPES[path.extname(name)];
      if (type === undefined) continue;
      files.set(name === 'index.html' ? '/' : `/${name}`, { type, content: readFileSync(path.join(folder, name)) });
    }
  } catch (cause) {
    throw notBuilt(folder, errorCode(cause) ?? errorMessage(cause), cause);
  }
  if (!files.has('/')) throw notBuilt(folder, 'no page is there');
  return files;
}

const notBuilt = (folder: string, actual: string, cause?: unknown): MemtideError =>
  new MemtideError({
    operation: "read the dashboard's page",
    object: folder,
    expected: 'the files that the build makes',
    actual,
    remedy: 'npm run build',
    cause,
    exitCode: EXIT.unavailable,
  });
