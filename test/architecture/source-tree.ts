/**
 * Finds the repository and reads the imports of its source files, for the tests that hold the architecture.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export interface SourceFile {
  /** Relative to the repository, with forward slashes: `src/pressure/psi.ts`. */
  readonly name: string;
  readonly text: string;
}

/**
 * The directory whose package.json names memtide and that holds `src`, looked for upwards from `starts`. Where the
 * tests run from a compiled copy, a link `src-link` beside the copy's package.json leads to the repository's `src`.
 */
export function repositoryRoot(
  starts: readonly string[] = [process.cwd(), path.dirname(fileURLToPath(import.meta.url))],
): string {
  for (const start of starts) {
    for (let folder = start; ; folder = path.dirname(folder)) {
      if (packageName(folder) === 'memtide') {
        if (fs.existsSync(path.join(folder, 'src'))) return folder;
        const link = path.join(folder, 'src-link');
        if (fs.existsSync(link)) return path.dirname(fs.realpathSync(link));
      }
      if (folder === path.dirname(folder)) break;
    }
  }
  throw new Error(`no memtide repository above ${starts.join(' or ')}`);
}

function packageName(folder: string): unknown {
  const file = path.join(folder, 'package.json');
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).name : undefined;
}

/** Every file below `folder` of the repository whose name ends in one of `endings`. */
export function readSources(root: string, folder: string, endings: readonly string[]): SourceFile[] {
  return fs
    .readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      return { name: path.relative(root, file).split(path.sep).join('/'), text: fs.readFileSync(file, 'utf8') };
    });
}

// The formatter leaves every static import and re-export at the start of a line, with its specifier in single quotes.
// A comment or a string cannot start a line with `import {`, save for a template literal, which would only ever add an
// import that is then found not to exist: the error is loud.
const STATIC = /^(?:import|export)\s+(?:type\s+)?(?:[\w$*{][^;'"`]*?\sfrom\s+)?'([^']+)'/gm;
const STATIC_START = /^(?:import\s+(?:['"{*]|[\w$])|export\s+(?:type\s+)?(?:\*|\{[^}]*\}\s*from))/gm;
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g;
const COMPUTED = /\bimport\(\s*([^'\s)][^)]*?)\s*\)/g;
// A worker's entry: new Worker(new URL('./fast-plane.js', import.meta.url)).
const WORKER = /\bnew URL\(\s*'(\.[^']+\.[jt]s)',\s*import\.meta\.url\s*\)/g;

/**
 * The specifiers that a file imports: statically, dynamically, as a type, and as the entry of a worker.
 * @throws Error on an import that it cannot read, so that none goes unseen.
 */
export function importsOf({ name, text }: SourceFile): string[] {
  const code = withoutComments(text);
  const statics = [...code.matchAll(STATIC)];
  const starts = [...code.matchAll(STATIC_START)].length;
  if (statics.length !== starts) throw new Error(`${name}: ${starts} imports, of which ${statics.length} can be read`);
  const computed = [...code.matchAll(COMPUTED)].map(([, expression]) => {
    const constant = new RegExp(`\\bconst ${expression}(?:: string)? = '([^']+)';`).exec(code);
    if (!constant) throw new Error(`${name}: import(${expression}) cannot be followed`);
    return constant[1]!;
  });
  return [...[...statics, ...code.matchAll(DYNAMIC), ...code.matchAll(WORKER)].map((match) => match[1]!), ...computed];
}

/** `text` with its comments blanked and its line numbers kept. A comment after code is known by the blanks around it. */
export function withoutComments(text: string): string {
  return text.replace(/^[^\S\n]*(?:\/\*[\s\S]*?\*\/|\/\/.*$)|\s\/\/\s.*$/gm, (comment) =>
    comment.replace(/[^\n]/g, ''),
  );
}

/** The repository's file that a relative specifier means, or `undefined` for a package or a Node module. */
export function importedFile(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return path.posix.join(path.posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}

/** The first cycle in a graph, as the nodes along it with the first one repeated at the end. */
export function findCycle(graph: ReadonlyMap<string, Iterable<string>>): string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, trail: readonly string[]): string[] | undefined => {
    const seenAt = trail.indexOf(node);
    if (seenAt >= 0) return [...trail.slice(seenAt), node];
    if (done.has(node)) return undefined;
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next, [...trail, node]);
      if (cycle) return cycle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const cycle = visit(node, []);
    if (cycle) return cycle;
  }
  return undefined;
}
