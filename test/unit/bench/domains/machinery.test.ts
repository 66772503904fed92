/** Many domains, on real control files and threads, with so few of them that it takes seconds. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, test } from 'node:test';
import { domainsText } from '../../../../src/evaluation/bench/domains/report.ts';
import { type DomainsResult, domainsResultSchema } from '../../../../src/evaluation/bench/domains/result.ts';
import { runDomains } from '../../../../src/evaluation/bench/domains/run.ts';

const REQUESTS = 20;
const HANDSHAKES = 100;

async function domains(counts: readonly number[], signal = new AbortController().signal): Promise<DomainsResult> {
  const parent = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
  const scratchDir = fs.mkdtempSync(path.join(parent, 'memtide-test-'));
  try {
    return await runDomains({
      quick: true,
      scratchDir,
      scheduling: {},
      signal,
      progress: () => {},
      counts,
      rounds: { handshakes: HANDSHAKES, requests: REQUESTS, idleMillis: 50, claimMillis: 20 },
    });
  } finally {
    fs.rmSync(scratchDir, { recursive: true, force: true });
  }
}

let result: DomainsResult;
before(async () => {
  result = await domains([2, 18]);
});

test('the document survives JSON and has the documented shape', () => {
  const document: unknown = JSON.parse(JSON.stringify(result));
  assert.deepEqual(JSON.parse(JSON.stringify(domainsResultSchema.parse(document))), document);
});

test('a row for each number of domains, every request of each served', () => {
  assert.deepEqual(
    result.rows.map((row) => [row.domains, row.front_processes, row.request.n, row.refused, row.handshake.n]),
    [
      [2, 1, REQUESTS, 0, HANDSHAKES],
      [18, 2, REQUESTS, 0, HANDSHAKES],
    ],
  );
  for (const row of result.rows) assert.ok(row.claims_hit_rate > 0 && row.claims_per_s > 0);
});

test('the report has a line for each number of domains in both tables', () => {
  const text = domainsText(result, { colours: false });
  assert.equal(text.match(/^18 /gm)?.length, 2);
});

test('it ends at an abort', async () => {
  await assert.rejects(domains([2], AbortSignal.abort()), { name: 'AbortError' });
});
