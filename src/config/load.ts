/** Reads the configuration: from a file, a text or a value, to one checked, complete, deep-frozen object. */
import { readFileSync } from 'node:fs';
import { EXIT, errorCode, MemtideError } from '../errors.ts';
import { crossChecks } from './cross-checks.ts';
import { deepFreeze } from './freeze.ts';
import { findJsonProblem } from './json-text.ts';
import { explainIssues } from './problems.ts';
import { configJsonSchema } from './reference.ts';
import { type Config, configShape } from './schema.ts';

/** A configuration is a page of text. What is larger is the wrong file, perhaps a device that never ends. */
const MAX_FILE_BYTES = 1024 * 1024;

const configSchema = configShape.superRefine((config, context) => {
  for (const { path, message } of crossChecks(config)) context.addIssue({ code: 'custom', path: [...path], message });
});

/**
 * @param path of a JSON file; `undefined` gives the defaults.
 * @throws MemtideError with `EXIT.config` when the file cannot be read, is no JSON, or says what the schema refuses.
 */
export function loadConfig(path: string | undefined): Config {
  return path === undefined ? checkConfig({}) : parseConfig(readText(path), path);
}

/** @param origin names the text in errors. @throws MemtideError, as `loadConfig`. */
export function parseConfig(text: string, origin: string): Config {
  const json = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const problem = findJsonProblem(json);
  if (problem) {
    throw new MemtideError({
      operation: 'read the configuration',
      object: `${origin}:${problem.line}:${problem.column}`,
      expected: 'a JSON object',
      actual: problem.message,
      remedy: `correct line ${problem.line}, column ${problem.column}`,
      exitCode: EXIT.config,
    });
  }
  return checkConfig(JSON.parse(json), origin);
}

/**
 * Checks a value that is already parsed, and fills in the defaults.
 * @throws MemtideError, as `loadConfig`; it names every key that is wrong, not only the first.
 */
export function checkConfig(input: unknown, origin = 'the configuration'): Config {
  const result = configSchema.safeParse(input);
  if (result.success) return deepFreeze(result.data);
  throw new MemtideError({
    operation: 'use the configuration',
    object: origin,
    actual: explainIssues(result.error.issues, input, configJsonSchema()).join('\n            '),
    remedy: 'change these keys; memtide config schema lists all of them with their accepted forms',
    cause: result.error,
    exitCode: EXIT.config,
  });
}

function readText(path: string): string {
  try {
    const content = readFileSync(path);
    if (content.length > MAX_FILE_BYTES) throw tooLarge(path, content.length);
    return content.toString('utf8');
  } catch (error) {
    if (error instanceof MemtideError) throw error;
    const code = errorCode(error);
    const missing = code === 'ENOENT';
    const [actual, remedy] =
      code === 'EISDIR'
        ? ['a folder', 'name the file in it']
        : [
            code === 'EACCES' ? 'a file that this user may not read' : (code ?? String(error)),
            'check its owner and mode',
          ];
    throw new MemtideError({
      operation: 'read the configuration',
      object: path,
      expected: 'a JSON file that this user may read',
      actual: missing ? 'no such file' : actual,
      remedy: missing ? 'create it (an empty object, {}, gives the defaults) or leave --config out' : remedy,
      cause: error,
      exitCode: EXIT.config,
    });
  }
}

function tooLarge(path: string, length: number): MemtideError {
  return new MemtideError({
    operation: 'read the configuration',
    object: path,
    expected: `at most ${MAX_FILE_BYTES} bytes`,
    actual: `${length} bytes`,
    remedy: 'name the configuration file',
    exitCode: EXIT.config,
  });
}
