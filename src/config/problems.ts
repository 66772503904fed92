/** Turns what the schema refused into sentences: the path of the key, what was found, what is accepted, what was meant. */
import type { z } from 'zod';
import { nearest } from './nearest.ts';
import { showPath, showValue } from './path-text.ts';
import { acceptedForm, eachKey, type SchemaNode, schemaAt } from './reference.ts';

type Path = ReadonlyArray<PropertyKey>;

/** One line for each issue, in the order of the file. @param input what was parsed, to show what was found. */
export function explainIssues(issues: readonly z.core.$ZodIssue[], input: unknown, root: SchemaNode): string[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => explainUnknownKey(issue.path, key, root));
    }
    const path = showPath(issue.path);
    if (issue.code === 'custom' && issue.message.startsWith('found ')) return `${path}: ${issue.message}`;
    const node = schemaAt(root, issue.path);
    const key = String(issue.path.at(-1) ?? '');
    const accepted = node ? acceptedForm(key, node) : issue.message;
    return `${path}: found ${showValue(valueAt(input, issue.path))}; accepted: ${accepted}`;
  });
}

function explainUnknownKey(parent: Path, key: string, root: SchemaNode): string {
  const siblings = Object.keys(schemaAt(root, parent)?.properties ?? {});
  const path = showPath([...parent, key]);
  const meant = nearest(key, siblings);
  if (meant !== undefined) return `${path}: no such key; did you mean ${meant}?`;
  const elsewhere = [...eachKey(root)].filter((known) => known.key === key).map((known) => known.path);
  if (elsewhere.length > 0) return `${path}: no such key here; it belongs at ${elsewhere.join(' or ')}`;
  return `${path}: no such key; known here: ${siblings.join(', ')}`;
}

function valueAt(input: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, key) => {
    return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
      ? (value as Record<PropertyKey, unknown>)[key]
      : undefined;
  }, input);
}
