import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { scanSegment } from '../../../../src/telemetry/spool/segment-format.ts';
import { Spool } from '../../../../src/telemetry/spool/spool.ts';
import { KIB, MIB } from '../../../../src/units.ts';
import { Random } from '../../../simulation/random.ts';
import { isSegment } from './faulty-disk.ts';
import { Lives, STAMP } from './lives.ts';

const CAP = MIB;
/** So small that segments go all the time. */
const SMALL_CAP = 128 * KIB;

const op = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      count: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 200 })),
      padding: fc.constantFrom(0, 300, 1000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('send' as const), most: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('heartbeat' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('kill' as const), steps: fc.integer({ min: 0, max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), steps: fc.integer({ min: 0, max: 30 }) }) },
);
type Op = typeof op extends fc.Arbitrary<infer T> ? T : never;
const runs = fc.record({ ops: fc.array(op, { minLength: 1, maxLength: 30, size: 'max' }), seed: fc.nat() });

/** @param sabotage what is to be found out. */
async function live({ ops, seed }: { ops: readonly Op[]; seed: number }, sabotage: (lives: Lives) => void = () => {}) {
  const random = new Random(seed);
  const lives = new Lives(SMALL_CAP);
  /** Its own start may be killed too, once. @param steps of the disk that the new life has. */
  const reopen = async (steps = Number.POSITIVE_INFINITY, isCut = false) => {
    if (!(await lives.open(steps))) {
      if (isCut) lives.cutPower(() => random.next());
      assert.ok(await lives.open());
    }
    sabotage(lives);
  };
  await reopen();
  for (const step of ops) {
    let alive = true;
    if (step.do === 'append') alive = await lives.appendSlowly(step.count, step.padding);
    if (step.do === 'flush') alive = await lives.flush();
    if (step.do === 'send') alive = await lives.send(step.most, () => random.chance(0.1));
    if (step.do === 'heartbeat') lives.heartbeat();
    if (step.do === 'stop') {
      await Promise.race([lives.spool.stop(), lives.alive]);
      await reopen();
    }
    if (step.do === 'kill') {
      lives.kill();
      await reopen(step.steps);
    }
    if (step.do === 'cut') {
      lives.cutPower(() => random.next());
      await reopen(step.steps, true);
    }
    if (!alive) await reopen();
  }
  // The last life may have few steps left.
  lives.kill();
  await reopen();
  await lives.settle();
  lives.check();
  assert.ok(lives.disk.mostBytes <= SMALL_CAP, `${lives.disk.mostBytes} bytes`);
}

test('through kills at any step, power cuts and a broker that loses, every acknowledged message arrives or is told', () =>
  fc.assert(
    fc.asyncProperty(runs, (run) => live(run)),
    { numRuns: 200 },
  ));

test('sabotage: a disk that only says it has synced is found out', () =>
  foundOut((lives) => {
    lives.disk.lies = true;
  }));

test('sabotage: a spool that takes a broker’s word for it is found out', () =>
  foundOut((lives) => {
    lives.spool.resend = () => {};
  }));

test('sabotage: a segment that is removed while it holds what nobody has is found out', () =>
  foundOut((lives) => {
    lives.spool.delivery.isProven = () => true;
  }));

async function foundOut(sabotage: (lives: Lives) => void): Promise<void> {
  const { failed } = await fc.check(
    fc.asyncProperty(runs, (run) => live(run, sabotage)),
    { numRuns: 2000, endOnFailure: true },
  );
  assert.ok(failed);
}

test('over the cap the oldest go, within it all stays, and the gap says exactly how many', async () => {
  const lives = new Lives(CAP);
  await lives.open();
  for (let i = 0; i < 400; i++) {
    lives.append(10, 1000);
    await lives.flush();
  }
  assert.equal(lives.acknowledged.size, 4000);
  assert.ok(lives.disk.mostBytes <= CAP && lives.disk.mostBytes > CAP / 2, `${lives.disk.mostBytes} bytes`);
  const { dropped, gaps } = lives.spool.status();
  await lives.settle();
  lives.check();
  const arrived = new Set([...lives.sink.messages.values()].map(({ id }) => id));
  assert.equal(arrived.size, 4000 - dropped);
  // The oldest, without exception.
  assert.ok(Array.from({ length: 4000 - dropped }, (_, i) => dropped + i).every((id) => arrived.has(id)));
  const told = [...lives.sink.gaps.values()];
  const covering = told.reduce((sum, { records = 0, retold = 0 }) => sum + records - retold, 0);
  // A gap record that was evicted in its turn is retold by a later one.
  const retoldElsewhere = told.reduce((sum, { retold = 0 }) => sum + retold, 0);
  assert.equal(covering + retoldElsewhere, dropped);
  assert.ok(gaps > 1 && dropped > 2000, `${gaps} gaps, ${dropped} dropped`);
  assert.ok(told.every(({ unsent, records }) => unsent === records));
});

test('a sink’s watermark frees segments; a broker’s acknowledgement does not', async () => {
  const lives = new Lives(CAP);
  await lives.open();
  for (let i = 0; i < 10; i++) {
    lives.append(30, 1000);
    await lives.flush();
  }
  const segments = () => [...lives.disk.files.keys()].filter(isSegment).length;
  const before = segments();
  assert.ok(before >= 4, `${before} segments`);
  await lives.send(Number.POSITIVE_INFINITY, () => false);
  await lives.flush();
  assert.equal(lives.spool.status().unsent, 0);
  assert.equal(segments(), before);
  lives.heartbeat();
  await lives.flush();
  assert.equal(segments(), 1, 'the one that is being written');
  assert.equal(lives.spool.status().unconfirmed, 0);
});

test('what a broker acknowledged is not sent again by the next start; without a sink it is evicted without a gap', async () => {
  const lives = new Lives(CAP);
  await lives.open();
  lives.append(20);
  await lives.flush();
  await lives.send(Number.POSITIVE_INFINITY, () => false);
  await lives.spool.stop();
  await lives.open();
  assert.equal(lives.spool.status().unsent, 0);
  assert.equal(lives.sink.messages.size, 20);
  for (let i = 0; i < 200; i++) {
    lives.append(10, 1000);
    await lives.flush();
    await lives.send(Number.POSITIVE_INFINITY, () => false);
  }
  const { dropped, gaps } = lives.spool.status();
  assert.deepEqual([lives.sink.duplicates, dropped, gaps, lives.sink.gaps.size], [0, 0, 0, 0]);
});

test('a sink that comes late gets what is held, and one gap for what is no more', async () => {
  const lives = new Lives(CAP);
  await lives.open();
  for (let i = 0; i < 200; i++) {
    lives.append(10, 1000);
    await lives.flush();
    await lives.send(Number.POSITIVE_INFINITY, () => true);
  }
  assert.equal(lives.sink.messages.size, 0);
  await lives.settle();
  const [gap, ...others] = lives.sink.gaps.values();
  assert.deepEqual([gap?.cause, gap?.from, others.length], ['expired', 1, 0]);
  assert.equal(lives.sink.messages.size, 2000 - gap!.to);
  assert.equal(lives.sink.historical, lives.sink.messages.size + 1, 'all of it, the gap too, is of the past');
});

test('a broker that loses what it acknowledged is found out by the sink’s watermark, once the sink has waited', async () => {
  const lives = new Lives(CAP);
  await lives.open();
  lives.append(100);
  await lives.flush();
  let n = 0;
  await lives.send(Number.POSITIVE_INFINITY, () => n++ % 3 === 0);
  lives.heartbeat();
  lives.clock.advanceMicros(500_000);
  lives.heartbeat();
  assert.equal(lives.feed.status().resends, 0, 'too soon');
  await lives.settle();
  assert.equal(lives.sink.messages.size, 100);
  assert.ok(lives.feed.status().resends > 0);
});

test('a disk that fails is told once; what was taken is written again when it works, under the same numbers', async () => {
  for (const step of ['append', 'sync', 'create'] as const) {
    const lives = new Lives(CAP);
    await lives.open();
    lives.append(5);
    await lives.flush();
    // A file is created where one is full.
    lives.append(70, 1000);
    await lives.flush();
    lives.disk.fault = (at) => (at === step || (at === 'truncate' && step === 'sync') ? 'EIO' : undefined);
    const before = lives.acknowledged.size;
    for (let i = 0; i < 40; i++) {
      lives.append(2, 1000);
      await lives.flush();
      lives.clock.advanceMicros(2_000_000);
    }
    assert.ok(lives.acknowledged.size <= before + 60, 'nothing is acknowledged on the word of a disk that fails');
    assert.deepEqual(lives.problems, ['a disk: EIO'], step);
    assert.match(lives.spool.status().problem ?? '', /EIO/);
    assert.ok(lives.spool.status().refused > 0, 'memory is bounded, and what does not fit is counted');
    lives.disk.fault = () => undefined;
    lives.clock.advanceMicros(2_000_000);
    await lives.flush();
    assert.equal(lives.spool.status().problem, undefined);
    assert.equal(lives.acknowledged.size, lives.appended.size);
    await lives.spool.stop();
    await lives.open();
    await lives.settle();
    lives.check();
    assert.equal(lives.sink.messages.size, lives.appended.size);
  }
});

test('one sync serves all that was appended in an interval', async () => {
  const lives = new Lives(CAP);
  await lives.open();
  const before = lives.disk.syncs;
  for (let i = 0; i < 50; i++) {
    lives.append(1);
    await new Promise(setImmediate);
  }
  await lives.flush();
  assert.equal(lives.disk.syncs, before + 1);
  await lives.flush();
  assert.equal(lives.disk.syncs, before + 1, 'nothing new, nothing to sync');
});

test('a cursor that is damaged costs duplicates and no record; its former version is taken', async () => {
  for (const damage of ['cursor', 'both'] as const) {
    const lives = new Lives(CAP);
    await lives.open();
    lives.append(30);
    await lives.flush();
    await lives.send(Number.POSITIVE_INFINITY, () => false);
    lives.heartbeat();
    await lives.spool.stop();
    for (const name of damage === 'both' ? ['cursor', 'cursor.bak'] : ['cursor']) {
      lives.disk.files.get(name)!.bytes[12]! ^= 1;
    }
    await lives.open();
    lives.append(30);
    await lives.settle();
    lives.check();
    assert.equal(lives.sink.messages.size, 60);
    assert.ok(lives.sink.duplicates >= 30);
  }
});

test('damage in the middle is counted exactly, at an opening and while draining', async () => {
  for (const when of ['closed', 'open'] as const) {
    const lives = new Lives(CAP);
    await lives.open();
    for (let i = 0; i < 20; i++) {
      lives.append(10, 1000);
      await lives.flush();
    }
    const [first] = [...lives.disk.files.keys()].filter(isSegment).sort();
    if (when === 'closed') await lives.spool.stop();
    const file = lives.disk.files.get(first!)!;
    file.bytes[file.bytes.length >> 1]! ^= 1;
    if (when === 'closed') await lives.open();
    await lives.settle();
    lives.check();
    const { dropped, gaps } = lives.spool.status();
    assert.deepEqual([dropped, gaps], [200 - lives.sink.messages.size, 1], when);
    assert.ok(dropped > 10);
    assert.equal(lives.spool.status().damaged_bytes > 0, when === 'closed');
  }
});

test('cut or corrupted at any of 1,000 places: every whole record before the place is read, none is invented', async () => {
  const made = new Lives(CAP);
  await made.open();
  for (let i = 0; i < 40; i++) {
    made.append(10, 700);
    await made.flush();
  }
  await made.spool.stop();
  const names = [...made.disk.files.keys()].filter(isSegment).sort();
  assert.ok(names.length > 4, `${names.length} segments`);
  const random = new Random(1);
  for (let place = 0; place < 1000; place++) {
    const disk = made.disk.clone();
    const at = Math.floor(random.next() * names.length);
    const file = disk.files.get(names[at]!)!;
    const offset = Math.floor(random.next() * file.bytes.length);
    const before = wholeRecords(file.bytes.subarray(0, offset));
    if (random.chance(0.5)) file.bytes = file.bytes.subarray(0, offset);
    else
      for (let i = offset; i < Math.min(file.bytes.length, offset + 20); i++) file.bytes[i]! ^= 1 + random.next() * 254;
    const others = names.filter((_, i) => i !== at).flatMap((name) => wholeRecords(disk.files.get(name)!.bytes));
    const expected = [...before, ...others].sort((a, b) => a - b);
    const spool = new Spool({
      disk,
      clock: made.clock,
      bootId: 'next',
      newId: () => '00112233445566aa',
      stamp: () => STAMP,
      capBytes: CAP,
    });
    await spool.start();
    const read: number[] = [];
    for (let range = spool.delivery.nextUnsent(spool.written); range; ) {
      for (const { seq, kind, content } of await spool.read(...range)) {
        if (kind === 'message') {
          read.push(seq);
          const { id, boot } = JSON.parse(content);
          assert.deepEqual(made.appended.get(id), { seq, boot });
        }
        spool.delivered(seq);
      }
      range = spool.delivery.nextUnsent(spool.written);
    }
    assert.deepEqual(read, expected, `${names[at]} at ${offset}`);
  }
});

function wholeRecords(bytes: Buffer): number[] {
  const numbers: number[] = [];
  scanSegment(bytes, ({ seq }) => numbers.push(seq));
  return numbers;
}

test('a message that is too long is refused and the rest goes on', async () => {
  const lives = new Lives(CAP);
  await lives.open();
  lives.append(1, 40_000);
  lives.append(1);
  await lives.flush();
  assert.equal(lives.spool.status().refused, 1);
  assert.equal(lives.acknowledged.size, 1);
});
