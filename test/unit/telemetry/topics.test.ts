import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { commandFilter, type Leaf, parseTopic, REPORTS, topicOf, verbOf } from '../../../src/telemetry/topics.ts';

const owner = { base: 'memtide', vehicle: 'car-7', domain: 'cluster' };

test('a topic names base, vehicle, domain and leaf', () => {
  assert.equal(topicOf(owner, 'tele/mem'), 'memtide/car-7/cluster/tele/mem');
  assert.equal(topicOf({ ...owner, base: 'fleet/eu' }, 'rsp/borrow'), 'fleet/eu/car-7/cluster/rsp/borrow');
  assert.equal(commandFilter(owner), 'memtide/car-7/cluster/cmd/+');
  assert.equal(verbOf('cmd/borrow'), 'borrow');
  assert.equal(verbOf('rsp/borrow'), undefined);
});

const slug = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/);
const level = fc.stringMatching(/^[a-z0-9_-]{1,32}$/);
const base = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
const leaf = fc.oneof(
  fc.constantFrom<Leaf>(...REPORTS),
  fc.tuple(fc.constantFrom('cmd', 'rsp', 'coord'), slug).map(([kind, name]) => `${kind}/${name}` as Leaf),
);

test('what was joined comes apart again', () => {
  fc.assert(
    fc.property(base, slug, slug, leaf, (base, vehicle, domain, leaf) => {
      assert.deepEqual(parseTopic(base, topicOf({ base, vehicle, domain }, leaf)), { vehicle, domain, leaf });
    }),
  );
});

const hostile = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('+', '#', 'a/b', '..', '', 'a\n', '$SYS', 'é', 'A', '-a', 'a'.repeat(33)),
);

test('no text can widen a topic: it is refused, or it is one plain level', () => {
  fc.assert(
    fc.property(hostile, fc.constantFrom('vehicle', 'domain', 'verb'), (text, place) => {
      let topic: string;
      try {
        topic = place === 'verb' ? topicOf(owner, `rsp/${text}`) : topicOf({ ...owner, [place]: text }, 'state');
      } catch {
        return;
      }
      assert.match(topic, /^memtide\/[a-z0-9-]{1,32}\/[a-z0-9-]{1,32}\/(?:state|rsp\/[a-z0-9-]{1,32})$/);
    }),
    { numRuns: 1000 },
  );
});

test('a topic of another form is not parsed', () => {
  for (const topic of [
    'memtide/car-7/cluster',
    'memtide/car-7/cluster/tele',
    'memtide/car-7/cluster/cmd/a/b',
    'memtide/car-7/Cluster/state',
    'memtide//cluster/state',
    'memtidex/car-7/cluster/state',
    '$SYS/broker/uptime',
  ]) {
    assert.equal(parseTopic('memtide', topic), undefined, topic);
  }
});
