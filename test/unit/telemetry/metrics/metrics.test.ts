import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { exposition, type Metric } from '../../../../src/telemetry/metrics/exposition.ts';
import { type HealthSources, healthMetrics } from '../../../../src/telemetry/metrics/health.ts';
import { MetricsServer } from '../../../../src/telemetry/metrics/server.ts';
import { objections, promtool } from '../../../fakes/promtool.ts';

const HOSTILE = 'a"b\\c\nd{e}';

/** An agent that has everything. */
const everything: HealthSources = {
  domain: HOSTILE,
  versions: { version: '0.1.0', node: 'v20.0.0' },
  process: { cpuSeconds: 1.25, residentBytes: 5e7, startedSeconds: 1.7e9 },
  clockIsSynced: false,
  telemetry: {
    uplink: { state: 'connected', connections: 2, queued: 3, inFlight: 1, dropped: { mem: 4, psi: 5 } },
    log: { syncedBytes: 100, droppedLines: 0 },
    spool: {
      id: '00112233445566aa',
      bytes: 1,
      cap_bytes: 2,
      unsent: 3,
      unconfirmed: 4,
      acknowledged_seq: 5,
      watermark: 1,
      has_sink: true,
      dropped: 6,
      gaps: 1,
      damaged_bytes: 0,
      refused: 7,
      problem: '/spool: EIO',
      resends: 0,
      bad_watermarks: 0,
    },
  },
  agent: {
    pool_bytes: 1,
    limit_bytes: 2,
    used_bytes: 3,
    domains: [
      { name: 'cluster', connected: true, stuck: false, violations: 0 },
      { name: HOSTILE, connected: false },
    ],
    figures: { requests: 1, served: 1, refused: 0, revocations: 2, donorMisses: 1, violations: 0, other: 9 },
  },
};
/** One that has just started. */
const nothing: HealthSources = {
  domain: 'backend',
  versions: {},
  process: { cpuSeconds: 0, residentBytes: 1, startedSeconds: 1 },
  telemetry: {},
  agent: {},
};

test('Prometheus’ own linter has nothing to say against the health of an agent', promtool, () => {
  for (const sources of [everything, nothing]) assert.equal(objections(exposition(healthMetrics(sources))), '');
});

test('the linter would object to a metric that breaks the conventions', promtool, () => {
  const bad: Metric = { name: 'memtide_wait_milliseconds', kind: 'counter', help: 'x', values: [{ value: 1 }] };
  assert.match(objections(exposition([bad])), /_total/);
  assert.match(objections('memtide_x{a="\n"} 1\n'), /parsing|error/i);
});

test('what is known is told with its unit, what is not has no line, and hostile names stay within their quotes', () => {
  const text = exposition(healthMetrics(everything));
  assert.match(text, /^memtide_uplink_dropped_messages_total\{kind="mem"\} 4$/m);
  assert.match(text, /^memtide_spool_healthy 0$/m);
  assert.match(text, /^memtide_spool_unsent_messages 3$/m);
  assert.match(text, /^memtide_clock_synchronized 0$/m);
  assert.ok(text.includes('memtide_domain_connected{domain="a\\"b\\\\c\\nd{e}"} 0\n'));
  assert.doesNotMatch(text, /memtide_domain_stuck\{domain="a/);
  assert.doesNotMatch(text, /NaN|undefined/);
  const names = exposition(healthMetrics(nothing))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(/[ {]/)[0]);
  assert.deepEqual(names, [
    'memtide_build_info',
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'process_start_time_seconds',
  ]);
});

test('every counter and no gauge ends in _total, every metric has its help, and a name is told once', () => {
  const metrics = healthMetrics(everything);
  for (const { name, kind, help } of metrics) {
    assert.equal(name.endsWith('_total'), kind === 'counter', name);
    assert.match(help, /\.$/, name);
    assert.match(name, /^(memtide|process)_[a-z_]+$/);
  }
  assert.equal(new Set(metrics.map(({ name }) => name)).size, metrics.length);
});

test('the server gives /metrics and nothing else, to those who read', async (t) => {
  let asked = 0;
  const server = new MetricsServer({ host: '127.0.0.1', port: 0, text: () => `memtide_asked ${++asked}\n` });
  const url = await server.start();
  t.after(() => server.stop());
  const first = await fetch(url);
  assert.deepEqual([first.status, await first.text()], [200, 'memtide_asked 1\n']);
  assert.equal(first.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal((await fetch(`${url}?x=1`)).status, 200);
  assert.equal((await fetch(new URL('/', url))).status, 404);
  assert.equal((await fetch(url, { method: 'POST', body: 'x' })).status, 405);
});

test('a port that is taken is said, with the key to change', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const server = new MetricsServer({ host: '127.0.0.1', port, text: () => '' });
  await assert.rejects(server.start(), /cannot serve metrics[\s\S]*another program listens there[\s\S]*metrics\.port/);
});
