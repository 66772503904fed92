import fs from 'node:fs';
import { type BenchResult, benchResultSchema } from '../../../src/evaluation/bench/result.ts';

const FOLDER = new URL('../../../../test/golden/bench/', import.meta.url);

/** A result as a machine gave it, rounded, with tier2-4k of 256 MiB taken out. */
export const goldenResult = (): BenchResult =>
  benchResultSchema.parse(JSON.parse(fs.readFileSync(new URL('result.json', FOLDER), 'utf8')));

export const goldenReport = (): string => fs.readFileSync(new URL('report.txt', FOLDER), 'utf8');
