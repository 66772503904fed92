import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cumulative, distributionOf, logSteps } from '../../../src/dashboard/page/data/distribution.ts';
import { DriveModel } from '../../../src/dashboard/page/data/drive-model.ts';
import { flowsOf } from '../../../src/dashboard/page/data/flows.ts';
import { explain, stageSpans } from '../../../src/dashboard/page/data/waterfall.ts';
import { burst } from './lines.ts';

const MIB = 1024 * 1024;
function burstsOf(...lines: ReturnType<typeof burst>[]) {
  const model = new DriveModel();
  for (const each of lines) model.ingest(each);
  return model.bursts;
}
const donated = { reserve_bytes: 0, peer_bytes: 4 * MIB, notify_us: 10, decide_us: 20, release_us: 300, total_us: 450 };

describe('a burst as a waterfall', () => {
  it('has its stages one after the other, and what they leave over at the end', () => {
    const [one] = burstsOf(burst('cluster', 0, donated));
    assert.deepEqual(stageSpans(one!), [
      { stage: 'notify', startMicros: 0, micros: 10 },
      { stage: 'decide', startMicros: 10, micros: 20 },
      { stage: 'release', startMicros: 30, micros: 300 },
      { stage: 'populate', startMicros: 330, micros: 20 },
      { stage: 'touch', startMicros: 350, micros: 80 },
      { stage: 'rest', startMicros: 430, micros: 20 },
    ]);
  });

  it('is told in words: whose memory, and how it compares', () => {
    const [own, given, refused] = burstsOf(
      burst('cluster', 0),
      burst('cluster', 1, donated),
      burst('cluster', 2, { outcome: 'refused', refusal: 'no donor' }),
    );
    assert.match(
      explain(own!),
      /reserve that cluster held.*10× faster than malloc.*2.0× the time of the best local way/,
    );
    assert.match(explain(given!), /All of it came from another domain.*67 % of the time/);
    assert.equal(explain(refused!), 'Refused: no donor.');
  });
});

describe('the distribution of latencies', () => {
  it('compares only bursts that have a local allocation of their size', () => {
    const unpaired = { probe_best_us: undefined, probe_fresh_us: undefined };
    const { summary, unpaired: without } = distributionOf(
      burstsOf(burst('a', 0), burst('a', 1, { ...unpaired, total_us: 1 }), burst('a', 2, { outcome: 'refused' })),
    );
    assert.deepEqual([summary.burst?.n, summary.burst?.p50, without], [1, 100, 1]);
    assert.equal(summary.fresh?.p50, 1000);
  });

  it('rises from none to all, and never falls', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.5, max: 1e6, noNaN: true }), { minLength: 1 }), (values) => {
        const sorted = Float64Array.from(values).sort();
        const curve = cumulative(sorted, logSteps(sorted[0]! * 0.8, sorted.at(-1)! * 1.2, 50)) as number[];
        assert.equal(curve[0], sorted[0]! > 0.5 ? 0 : curve[0]);
        assert.equal(curve.at(-1), 1);
        assert.deepEqual(
          curve,
          [...curve].sort((a, b) => a - b),
        );
      }),
    );
  });
});

describe('flows of memory', () => {
  it('name the donor where it can only have been one', () => {
    const bursts = burstsOf(burst('cluster', 0, donated), burst('infotainment', 1));
    assert.deepEqual(flowsOf(bursts, ['cluster', 'infotainment']), [
      { source: { donor: 'infotainment' }, recipient: 'cluster', bytes: 4 * MIB },
      { source: 'reserve', recipient: 'infotainment', bytes: 4 * MIB },
    ]);
    assert.equal(flowsOf(bursts, ['a', 'cluster', 'infotainment'])[0]!.source, 'others');
  });
});
