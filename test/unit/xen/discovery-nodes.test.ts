import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  backendFields,
  type FoundFields,
  FRONTEND_FIELDS,
  formatRanges,
  frontendFields,
  MAX_GRANT_REFS,
  offerProblem,
  parseBackend,
  parseFrontend,
} from '../../../src/xen/discovery-nodes.ts';

const NODE = {
  state: '3',
  protocol: '1',
  incarnation: '7',
  'backend-incarnation': '66',
  'grant-refs': '8-23,40',
  'event-channel': '12',
};

describe('the front end’s node', () => {
  it('comes back as it was written', () => {
    const u32 = fc.integer({ min: 1, max: 0xffff_ffff });
    const refs = fc.uniqueArray(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(u32, u32, refs, fc.integer({ min: 1, max: 131_071 }), (incarnation, backend, grantRefs, port) => {
        const offer = { grantRefs, eventChannel: port };
        assert.equal(offerProblem(offer), undefined);
        const node = { state: 'initialised' as const, incarnation, backendIncarnation: backend, offer };
        assert.deepEqual(parseFrontend(frontendFields(node)), { kind: 'node', node });
      }),
    );
  });

  it('keeps the order of the pages', () => {
    assert.equal(formatRanges([8, 9, 10, 20, 19, 30]), '8-10,20,19,30');
  });

  it('is absent without a state, and needs no offer', () => {
    const { state: _, ...stateless } = NODE;
    assert.deepEqual(parseFrontend(stateless), { kind: 'absent' });
    const { 'grant-refs': __, 'event-channel': ___, ...offerless } = NODE;
    const seen = parseFrontend(offerless);
    assert.ok(seen.kind === 'node' && seen.node.offer === undefined);
  });

  const nonsense: ReadonlyArray<readonly [FoundFields, RegExp]> = [
    [{ protocol: '2' }, /protocol is 2, and this side speaks 1/],
    [{ protocol: undefined }, /protocol is missing/],
    [{ state: '7' }, /state is "7"/],
    [{ state: '' }, /state is ""/],
    [{ incarnation: '0' }, /incarnation is "0"/],
    [{ incarnation: '4294967296' }, /incarnation is "4294967296"/],
    [{ incarnation: '-1' }, /incarnation/],
    [{ incarnation: '1e3' }, /incarnation/],
    [{ incarnation: `${'9'.repeat(4000)}` }, /incarnation is "9{24}"/],
    [{ 'backend-incarnation': ' 1' }, /backend-incarnation/],
    [{ 'event-channel': undefined }, /event-channel is missing/],
    [{ 'event-channel': '131072' }, /event-channel/],
    [{ 'grant-refs': undefined }, /grant-refs has ""/],
    [{ 'grant-refs': '0' }, /grant-refs has "0"/],
    [{ 'grant-refs': '9-8' }, /grant-refs has "9-8"/],
    [{ 'grant-refs': '8,,9' }, /grant-refs has ""/],
    [{ 'grant-refs': '8-9,9' }, /grant-refs names 9 twice/],
    [{ 'grant-refs': '1-4294967295' }, /more than 1024 pages/],
    [{ 'grant-refs': `1-${MAX_GRANT_REFS},5000` }, /more than 1024 pages/],
    [{ 'grant-refs': '8,'.repeat(1500) }, /3000 characters/],
    [{ state: '3\u001b[2J' }, /state is "3\?\[2J"/],
  ];
  for (const [fields, reason] of nonsense) {
    const [[name, value]] = Object.entries(fields) as [[string, string | undefined]];
    it(`is unusable with ${name} ${JSON.stringify(value?.slice(0, 20))}`, () => {
      const seen = parseFrontend({ ...NODE, ...fields });
      assert.ok(seen.kind === 'unusable', seen.kind);
      assert.match(seen.reason, reason);
      assert.ok(seen.reason.length < 120);
    });
  }

  it('is read without harm whatever a guest writes', () => {
    const text = fc.option(fc.oneof(fc.string(), fc.stringMatching(/^[0-9,-]*$/), fc.nat().map(String)), {
      nil: undefined,
    });
    fc.assert(
      fc.property(fc.tuple(...FRONTEND_FIELDS.map(() => text)), (values) => {
        const seen = parseFrontend(Object.fromEntries(FRONTEND_FIELDS.map((name, index) => [name, values[index]])));
        if (seen.kind === 'node') assert.ok((seen.node.offer?.grantRefs.length ?? 0) <= MAX_GRANT_REFS);
      }),
      { numRuns: 1000 },
    );
  });

  it('has no room for grants that are scattered too far', () => {
    const scattered = Array.from({ length: MAX_GRANT_REFS }, (_, index) => 8 + 2 * index);
    assert.match(offerProblem({ grantRefs: scattered, eventChannel: 1 }) ?? '', /so scattered that their list has/);
    assert.match(offerProblem({ grantRefs: [], eventChannel: 1 }) ?? '', /0 pages/);
    assert.match(offerProblem({ grantRefs: [8], eventChannel: 0 }) ?? '', /event channel 0/);
  });
});

describe('the back end’s node', () => {
  it('comes back as it was written, its refusal as printable text', () => {
    const node = { state: 'initWait' as const, incarnation: 6, frontendIncarnation: 7, refusal: 'no\u0007 memory' };
    const refusal = 'no? memory';
    assert.deepEqual(parseBackend(backendFields(node)), { kind: 'node', node: { ...node, refusal } });
  });

  it('tells the sizes of the arena that it lends, and sizes that none can have are refused', () => {
    const arena = { chunkCount: 24, chunkShift: 21, blockShift: 16 };
    const node = { state: 'initWait' as const, incarnation: 6, frontendIncarnation: 0, arena };
    const fields = backendFields(node);
    assert.deepEqual(parseBackend(fields), { kind: 'node', node });
    for (const wrong of ['0 21 16', '24 30 16', '24 21 12', '99999 21 16', '24 21', '24 21 16 9', '-1 21 16', '']) {
      assert.equal(parseBackend({ ...fields, arena: wrong }).kind, 'unusable', wrong);
    }
  });
});
