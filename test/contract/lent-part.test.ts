/** The part of dom0's arena that is lent to one guest, where dom0 has no more of what a grant takes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import koffi from 'koffi';
import type { MappedControlFile } from '../../src/control/control-file.ts';
import { ChunkGrants, chunkGrantBytes } from '../../src/xen/chunk-grants.ts';
import { grantControlFile } from '../../src/xen/grant-control-file.ts';
import { LentPart } from '../../src/xen/lent-part.ts';
import { underXen } from '../fakes/xen-process.ts';

const GEOMETRY = { chunkCount: 4, chunkShift: 18, blockShift: 16 };
const RLIMIT_NOFILE = 7;

underXen(import.meta.url, () => {
  test('a limit of open files is a limit of what can be lent, and told with what to do', () => {
    const { file } = grantControlFile(0, GEOMETRY, chunkGrantBytes(GEOMETRY));
    const part = new LentPart(1, GEOMETRY, new ChunkGrants((file as MappedControlFile).words, GEOMETRY));
    assert.deepEqual(part.grant(), { ok: true, chunk: 0 });
    const prlimit = koffi.load(null).func('int prlimit(int, int, const uint64_t*, _Out_ uint64_t*)');
    const before = new BigUint64Array(2);
    assert.equal(prlimit(0, RLIMIT_NOFILE, null, before), 0);
    assert.equal(prlimit(0, RLIMIT_NOFILE, BigUint64Array.of(3n, before[1]!), null), 0);
    const refused = part.grant();
    assert.equal(prlimit(0, RLIMIT_NOFILE, before, null), 0);
    assert.ok(!refused.ok && refused.why === 'no-pages');
    assert.match(refused.error?.message ?? '', /EMFILE\n.*ulimit -n/);
    assert.deepEqual([part.grant(), part.chunks], [{ ok: true, chunk: 1 }, 2]);
  });
});
