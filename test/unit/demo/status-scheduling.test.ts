/** What `memtide status` says of the fast planes' scheduling. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { BackendStatus } from '../../../src/demo/backend-status.ts';
import { statusText } from '../../../src/demo/status-text.ts';

const NICE = { construct: 'nice', wanted: '-15', in_force: '-15' };
const REFUSED = { construct: 'nice', wanted: '-15', in_force: '0', refused: 'EACCES', mend: 'raise the limit' };
const CPU = { construct: 'cpu', wanted: 'CPU 1', in_force: 'CPU 1' };

const backend = (fast_plane: BackendStatus['fast_plane']): BackendStatus => ({
  mode: 'hypervisor',
  total_bytes: 0,
  pool_bytes: 0,
  arena: { byteLength: 0, huge: true, locked: true },
  domains: [],
  figures: {},
  fast_plane,
});
const lines = (text: string): string[] => text.split('\n').filter((line) => /^(scheduled|to mend)/.test(line));

it('fast planes that are scheduled alike share a line', () => {
  const text = statusText('/run', backend([CPU, NICE]), {
    cluster: { domain: 'cluster', fast_plane: [CPU, NICE] },
    infotainment: { domain: 'infotainment', fast_plane: [] },
    gone: 'no answer',
  });
  assert.deepEqual(lines(text), [
    'scheduled CPU 1, nice -15 (back end, cluster)',
    'scheduled as any other thread (infotainment)',
  ]);
});

it('what was refused is told once, with its mend', () => {
  const text = statusText('/run', backend([REFUSED]), { cluster: { domain: 'cluster', fast_plane: [REFUSED] } });
  assert.deepEqual(lines(text), [
    'scheduled nice 0, -15 refused with EACCES (back end, cluster)',
    'to mend   raise the limit',
  ]);
});

it('an agent that does not tell is left out', () => {
  assert.deepEqual(lines(statusText('/run', backend(undefined), { cluster: { domain: 'cluster' } })), []);
});
