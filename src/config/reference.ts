/** The reference of the configuration, made from the schema: a JSON Schema for editors, a table for people. */
import { z } from 'zod';
import { configShape } from './schema.ts';

/** The part of JSON Schema (draft 2020-12) that the configuration's schema uses. */
export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  /** The accepted form in words, where keywords cannot say it. */
  readonly form?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly unknown[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
}

/** JSON Schema of what a user may write, where everything with a default is optional. */
export function configJsonSchema(): SchemaNode {
  return z.toJSONSchema(configShape, { io: 'input' }) as SchemaNode;
}

/** The schema of the key at `path`; array indices step into the items. `undefined` where no such key exists. */
export function schemaAt(root: SchemaNode, path: ReadonlyArray<PropertyKey>): SchemaNode | undefined {
  return path.reduce<SchemaNode | undefined>(
    (node, key) => (typeof key === 'number' ? node?.items : property(node, String(key))),
    root,
  );
}

function property(node: SchemaNode | undefined, key: string): SchemaNode | undefined {
  return node?.properties && Object.hasOwn(node.properties, key) ? node.properties[key] : undefined;
}

const UNITS: ReadonlyArray<readonly [suffix: string, unit: string]> = [
  ['_mib_per_s', 'MiB/s'],
  ['_mib', 'MiB'],
  ['_kib', 'KiB'],
  ['_hz', 'Hz'],
  ['_ms', 'ms'],
  ['_us', 'µs'],
  ['_s', 's'],
];

/** What may stand at a key, in words: `a whole number from 1 to 100 Hz`. The unit is the one in the key's name. */
export function acceptedForm(key: string, node: SchemaNode): string {
  if (node.form !== undefined) return node.form;
  if (node.enum) return node.enum.join(', ');
  const unit = UNITS.find(([suffix]) => key.endsWith(suffix))?.[1];
  switch (node.type) {
    case 'integer':
    case 'number': {
      const kind = node.type === 'integer' ? 'a whole number' : 'a number';
      return `${kind} from ${node.minimum} to ${node.maximum}${unit ? ` ${unit}` : ''}`;
    }
    case 'boolean':
      return 'true or false';
    case 'array':
      return `a list of ${node.minItems} to ${node.maxItems}`;
    case 'object':
      return `an object with ${Object.keys(node.properties ?? {}).join(', ')}`;
    default:
      return 'a text';
  }
}

/** Every key with its schema, sections before what is in them: `pressure`, then `pressure.sample_hz`. */
export function* eachKey(node: SchemaNode, prefix = ''): Generator<{ path: string; key: string; node: SchemaNode }> {
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    yield { path, key, node: child };
    yield* eachKey(child, path);
    if (child.items) yield* eachKey(child.items, `${path}[]`);
  }
}

/** The reference for people. @param columns width to wrap at. */
export function configReference(columns = 80): string {
  const lines = [
    'A configuration is one JSON object. Every key may be left out, unless it says required;',
    'other keys than these are refused. Units are in the names.',
  ];
  const root = configJsonSchema();
  for (const { path, key, node } of eachKey(root)) {
    const isSection = node.type === 'object';
    lines.push('', isSection ? path : `${path}  ${acceptedForm(key, node)}`);
    if (!isSection) lines.push(`    ${defaultText(root, path, node)}`);
    lines.push(...wrap(node.description ?? '', columns - 4).map((line) => `    ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

function defaultText(root: SchemaNode, path: string, node: SchemaNode): string {
  if (node.default !== undefined) {
    return node.type === 'array' ? 'has a default: see memtide config show' : `default ${JSON.stringify(node.default)}`;
  }
  const inList = /^(.*)\[\]\.([^.]+)$/.exec(path);
  const owner = inList && schemaAt(root, inList[1]!.split('.'))?.items;
  return owner?.required?.includes(inList?.[2] ?? '') ? 'required' : 'optional, no default';
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}
