/** Finds and reads board profiles. What is wrong with one is said by key, with the accepted form. */
import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { findJsonProblem } from '../config/json-text.ts';
import { explainIssues } from '../config/problems.ts';
import type { SchemaNode } from '../config/reference.ts';
import { EXIT, errorCode, errorMessage, MemtideError } from '../errors.ts';
import { type BoardProfile, boardShape } from './profile.ts';

/** Every board below `boardsDirectory`, as `<vendor>/<board>`, in alphabetical order. */
export function listBoards(boardsDirectory: string): string[] {
  return subdirectories(boardsDirectory)
    .flatMap((vendor) => subdirectories(path.join(boardsDirectory, vendor)).map((board) => `${vendor}/${board}`))
    .filter((board) => fs.existsSync(profilePath(boardsDirectory, board)))
    .sort();
}

/**
 * @param board `<vendor>/<board>`, as `listBoards` names it.
 * @throws MemtideError when there is no such board or its profile is not valid.
 */
export function loadBoard(boardsDirectory: string, board: string): BoardProfile {
  const known = listBoards(boardsDirectory);
  if (!known.includes(board)) {
    throw new MemtideError({
      operation: 'load a board profile',
      object: board,
      expected: known.length > 0 ? known.join(', ') : `<vendor>/<board> below ${boardsDirectory}`,
      actual: 'no such board',
      remedy: 'name one of these, or write boards/<vendor>/<board>/board.json',
      exitCode: EXIT.config,
    });
  }
  const file = profilePath(boardsDirectory, board);
  const profile = parseBoard(readText(file), file);
  const named = `${profile.vendor}/${profile.name}`;
  if (named !== board) throw invalid(file, `it names itself ${named}, its folder is ${board}`);
  return profile;
}

/** @param origin names the text in errors. @throws MemtideError that names every key to change. */
export function parseBoard(text: string, origin: string): BoardProfile {
  const problem = findJsonProblem(text);
  if (problem) throw invalid(`${origin}:${problem.line}:${problem.column}`, problem.message);
  const input: unknown = JSON.parse(text);
  const result = boardShape.safeParse(input);
  if (result.success) return result.data;
  const schema = z.toJSONSchema(boardShape, { io: 'input' }) as SchemaNode;
  throw invalid(origin, explainIssues(result.error.issues, input, schema).join('\n            '), result.error);
}

const profilePath = (boardsDirectory: string, board: string): string =>
  path.join(boardsDirectory, ...board.split('/'), 'board.json');

function subdirectories(directory: string): string[] {
  try {
    return fs
      .readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw invalid(file, errorMessage(error), error);
  }
}

function invalid(object: string, actual: string, cause?: unknown): MemtideError {
  return new MemtideError({
    operation: 'use a board profile',
    object,
    expected: 'the form of src/board/profile.ts',
    actual,
    remedy: 'correct board.json',
    exitCode: EXIT.config,
    cause,
  });
}
