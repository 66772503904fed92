/**
 * Holds the promises of `memtide bench` against this machine: `npm run bench:check`, about 40 seconds. Not part of
 * `npm test`: speed is no unit test. A promise that the noise of the machine hides is neither held nor broken here.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type Figure, figuresOf, verdictOf } from '../../src/evaluation/bench/figures.ts';
import { type BenchResult, benchResultSchema } from '../../src/evaluation/bench/result.ts';
import { MAIN } from '../command-line.ts';

describe('memtide bench --quick', () => {
  let result: BenchResult;
  let figures: readonly Figure[];

  before(async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'bench', '--quick', '--json'], {
      maxBuffer: 16 * 2 ** 20,
    });
    result = benchResultSchema.parse(JSON.parse(stdout));
    figures = figuresOf(result);
  });

  it('measures everything that it promises', () => {
    const absent = figures.filter((figure) => verdictOf(figure) === 'not measured').map(({ name }) => name);
    assert.deepEqual(absent, [], JSON.stringify(result.left_out));
  });

  it('keeps every promise', () => {
    const missed = figures.filter((figure) => verdictOf(figure) === 'missed');
    assert.deepEqual(missed, []);
  });

  it('serves tier 1 from what is there', () => {
    assert.equal(result.background.hit_rate, 1);
  });
});
