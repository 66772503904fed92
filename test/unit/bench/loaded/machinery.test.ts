/** The loaded bench itself, on the real processes, with so few rounds that it takes seconds. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { loadedText } from '../../../../src/evaluation/bench/loaded/report.ts';
import { type LoadedResult, loadedResultSchema } from '../../../../src/evaluation/bench/loaded/result.ts';
import { type LoadedOptions, runLoaded } from '../../../../src/evaluation/bench/loaded/run.ts';

const BLOCKS = { blocks: 2, handshakes: 20, requests: 2 };

async function loaded(more: Partial<LoadedOptions> = {}): Promise<LoadedResult> {
  const parent = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
  const scratchDir = fs.mkdtempSync(path.join(parent, 'memtide-test-'));
  try {
    return await runLoaded({
      quick: false,
      scratchDir,
      signal: new AbortController().signal,
      progress: () => {},
      blocks: BLOCKS,
      ...more,
    });
  } finally {
    fs.rmSync(scratchDir, { recursive: true, force: true });
  }
}

describe('a small run of the loaded bench', () => {
  let result: LoadedResult;
  before(async () => {
    result = await loaded();
  });

  it('gives a document that survives JSON and has the documented shape', () => {
    const document: unknown = JSON.parse(JSON.stringify(result));
    assert.deepEqual(JSON.parse(JSON.stringify(loadedResultSchema.parse(document))), document);
  });

  it('has every construct in both states, or why it has not', () => {
    assert.ok(result.constructs.length >= 6);
    for (const { name, is_default, refused, handshake_quiet, handshake_loaded, tier2_loaded } of result.constructs) {
      if (refused.length > 0 && !is_default) {
        assert.equal(handshake_loaded, undefined, name);
        continue;
      }
      const counts = [handshake_quiet?.n, handshake_loaded?.n];
      assert.deepEqual(counts, [BLOCKS.blocks * BLOCKS.handshakes, BLOCKS.blocks * BLOCKS.handshakes], name);
      assert.ok(tier2_loaded!.n > 0, name);
    }
  });

  it('has one default, and all tiers under it', () => {
    assert.equal(result.constructs.filter(({ is_default }) => is_default).length, 1);
    assert.deepEqual(
      result.tiers.map((row) => row.case),
      ['local-fresh', 'tier1', 'tier2'],
    );
    for (const { quiet, loaded: beside } of result.tiers) assert.ok(quiet!.n > 0 && beside!.n > 0);
  });

  it('promises nothing from so few handshakes, and reports', () => {
    assert.match(loadedText(result, { colours: false }), /default ÷ none +not measured/);
  });
});

it('the loaded bench ends at an abort, hogs and all', async () => {
  const abort = new AbortController();
  const progress = (step: string): void => {
    if (step.startsWith('nice')) abort.abort();
  };
  await assert.rejects(loaded({ signal: abort.signal, progress }), { name: 'AbortError' });
});
