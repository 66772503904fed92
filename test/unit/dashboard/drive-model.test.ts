import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DriveModel } from '../../../src/dashboard/page/data/drive-model.ts';
import { ceilingOf, memoryStack } from '../../../src/dashboard/page/data/memory-stack.ts';
import { silencesIn } from '../../../src/dashboard/page/data/silences.ts';
import { type DriveLine, parseDriveLine } from '../../../src/telemetry/drive/format.ts';
import { burst, line, START } from './lines.ts';

const MIB = 1024 * 1024;
function modelOf(lines: readonly DriveLine[]): DriveModel {
  const model = new DriveModel();
  for (const each of lines) model.ingest(each);
  return model;
}
const alloc = (domain: string, at: number, leased: number, reserve = 0, offered = 0) =>
  line('tele/alloc', domain, at, {
    leased_bytes: leased * MIB,
    reserve_bytes: reserve * MIB,
    offered_bytes: offered * MIB,
  });
const pool = (at: number, free: number) => line('tele/alloc', 'backend', at, { pool_bytes: free * MIB });

describe('the model of a drive', () => {
  it('holds bursts in the order of time, though a burst is told late, and each message once', () => {
    const id = { spool: '0123456789abcdef', spool_seq: 7 };
    const model = modelOf([
      burst('cluster', 300),
      burst('cluster', 100),
      burst('cluster', 200, id),
      burst('cluster', 200, { ...id, historical: true }),
    ]);
    assert.deepEqual(
      model.bursts.map(({ atMillis }) => atMillis - START),
      [100, 200, 300],
    );
    assert.equal(model.duplicates, 1);
  });

  it('takes a figure that is none for absent', () => {
    const model = modelOf([
      line('tele/alloc', 'cluster', 0, { leased_bytes: 'much' }),
      line('tele/alloc', 'cluster', 0, { leased_bytes: -1 }),
      line('tele/psi', 'cluster', 0, { some_avg10_percent: null, full_avg10_percent: 1 }),
      burst('cluster', 0, { total_us: '99' }),
    ]);
    assert.deepEqual(model.holders, []);
    assert.deepEqual(model.bursts, []);
    assert.equal(model.domains.get('cluster')!.psi.length, 0);
  });

  it('knows when a boot has come to the right time, so that what was before can be read again', () => {
    const early = line('tele/alloc', 'cluster', 0, { leased_bytes: 0, synced: false, ts: '2001-01-01T00:00:00.000Z' });
    const late = line('tele/alloc', 'cluster', 1000, { leased_bytes: 0 });
    const first = modelOf([early, late]);
    assert.equal(first.clocksLearned, true);
    const again = new DriveModel(first.clocks);
    for (const each of [early, late]) again.ingest(each);
    assert.deepEqual([again.startMillis - START, again.endMillis - START], [0, 1000]);
    assert.deepEqual(again.timeSources, { own: 1, boot: 1, recorder: 0, none: 0 });
  });

  it('is not filled up by domains without end', () => {
    const model = modelOf(Array.from({ length: 200 }, (_, i) => alloc(`domain-${i}`, 0, 1)));
    assert.equal(model.domains.size, 64);
    assert.equal(model.unshownDomains, 136);
  });

  it('counts what could not be read and keeps the rest', () => {
    const model = modelOf([parseDriveLine('{"report":"tele/al'), alloc('cluster', 0, 1)]);
    assert.equal(model.badLines, 1);
    assert.equal(model.holders.length, 1);
  });

  it('says of each agent what its state says', () => {
    const spool = { spool_unsent: 3, spool_unconfirmed: 9, spool_bytes: 10, spool_cap_bytes: 20, spool_dropped: 2 };
    const model = modelOf([
      line('info', 'cluster', 0, { memtide: '0.1.0', mode: 'split' }),
      line('state', 'cluster', 0, { status: 'online', queued: 4, dropped_mem: 1, dropped_psi: 2, ...spool }),
    ]);
    const { heardMillis: _, ...agent } = model.domains.get('cluster')!.agent;
    assert.deepEqual(agent, {
      version: '0.1.0',
      mode: 'split',
      online: true,
      queued: 4,
      dropped: 3,
      synced: true,
      spool: { unsent: 3, unconfirmed: 9, bytes: 10, capBytes: 20, lost: 2 },
    });
    model.ingest(
      parseDriveLine('{"report":"state","domain":"cluster","v":1,"status":"offline","reason":"connection-lost"}'),
    );
    assert.equal(model.domains.get('cluster')!.agent.online, false);
    assert.equal(model.domains.get('cluster')!.agent.spool, undefined);
  });
});

describe('the picture of the memory', () => {
  it('has the pool between the domains, and all of them together come to what there is', () => {
    const model = modelOf([
      ...[pool(0, 60), alloc('cluster', 0, 10, 5, 5), alloc('infotainment', 0, 20, 5, 10)],
      ...[pool(100, 60), alloc('cluster', 100, 10, 5, 5), alloc('infotainment', 100, 20, 5, 10)],
    ]);
    const ceiling = ceilingOf(model);
    assert.equal(ceiling, 100 * MIB);
    const { layers, timesMillis, edges } = memoryStack(model, START, START + 100, ceiling, 10);
    assert.deepEqual(
      layers.map(({ kind, domain }) => (domain === undefined ? kind : `${kind} ${domain}`)),
      [
        'leased cluster',
        'reserve cluster',
        'offered cluster',
        'pool',
        'offered infotainment',
        'reserve infotainment',
        'leased infotainment',
      ],
    );
    const last = timesMillis.length - 1;
    assert.deepEqual(
      edges.map((edge) => edge[last]! / MIB),
      [10, 15, 20, 65, 75, 80, 100],
    );
  });

  it('is empty where nothing was heard, neither as it was nor zero', () => {
    const model = modelOf([
      pool(0, 60),
      alloc('cluster', 0, 10),
      alloc('cluster', 1000, 10),
      alloc('cluster', 60_000, 30),
    ]);
    const { timesMillis, edges } = memoryStack(model, START, START + 60_000, 0, 10);
    const known = timesMillis.map((time, i) => [time - START, edges[0]![i] === null] as const);
    assert.deepEqual(
      known.filter(([time]) => time > 6100 && time < 60_000).map(([, isUnknown]) => isUnknown),
      [true],
    );
    assert.deepEqual(
      silencesIn(model.domains.get('cluster')!, START, START + 60_000, START + 60_000).map(
        ({ fromMillis, toMillis }) => [fromMillis - START, toMillis - START],
      ),
      [[1000, 60_000]],
    );
  });

  it('a domain that was heard of until now is not silent, one that was not is', () => {
    const domain = modelOf([alloc('cluster', 0, 1), alloc('cluster', 1000, 1)]).domains.get('cluster')!;
    assert.deepEqual(silencesIn(domain, START, START + 4000, START + 4000), []);
    assert.equal(silencesIn(domain, START, START + 9000, START + 9000).length, 1);
  });
});
