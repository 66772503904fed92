import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { applyReport, newState, type ReportMessage } from '../../../src/demo/demo-state.ts';
import { palette } from '../../../src/demo/palette.ts';
import { plainLine } from '../../../src/demo/plain.ts';
import { renderView, type ViewScene } from '../../../src/demo/view.ts';
import { bytes, MIB, micros } from '../../../src/units.ts';
import { repositoryRoot } from '../../architecture/source-tree.ts';
import { alloc, pool, psi, served } from '../../unit/demo/messages.ts';
import { burst } from '../../unit/demo/records.ts';

/** Pictures of the view as files beside this test: `MEMTIDE_GOLDEN=write` writes them anew, to be looked at and kept. */
const FOLDER = path.join(repositoryRoot(), 'test/golden/demo');
const SCENE: ViewScene = {
  domains: ['infotainment', 'cluster'],
  arenaBytes: 696 * MIB,
  peakDemand: 1.294,
  recording: 'video-transcode',
  mode: 'hypervisor',
  durationMicros: 30e6,
  startMicros: 1000e6,
  runDir: '/dev/shm/memtide-1000-start-Ab3dEf',
  brokerUrl: 'mqtt://127.0.0.1:40123',
};
const at = (seconds: number) => micros(1000e6 + seconds * 1e6);
const { probe: _, ...refused } = burst({
  domain: 'cluster',
  atMicros: at(11.9),
  requestedBytes: bytes(MIB),
  outcome: 'refused',
  refusal: 'pool-empty',
  tierBytes: { reserve: 0, pool: 0, peer: 0 },
});
const MESSAGES: readonly ReportMessage[] = [
  alloc('infotainment', at(11.5), 180, 40, 30),
  alloc('infotainment', at(12), 337, 40, 30),
  alloc('cluster', at(12), 220, 12, 20),
  pool(at(12), 87),
  psi(2.25, 0.5),
  served(
    burst({
      atMicros: at(11.2),
      requestedBytes: bytes(32 * MIB),
      tierBytes: { reserve: 24 * MIB, pool: 8 * MIB, peer: 0 },
      totalMicros: 1020,
      probe: { kind: 'measured', freshMicros: 13_500, bestMicros: 1030, bestWay: 'warm' },
    }),
  ),
  served(
    burst({
      atMicros: at(11.4),
      requestedBytes: bytes(8 * MIB),
      tierBytes: { reserve: 0, pool: 0, peer: 8 * MIB },
      totalMicros: 3650,
      probe: { kind: 'measured', freshMicros: 3500, bestMicros: 131, bestWay: 'warm' },
    }),
  ),
  served(
    burst({
      domain: 'cluster',
      atMicros: at(11.8),
      requestedBytes: bytes(MIB),
      tierBytes: { reserve: MIB, pool: 0, peer: 0 },
      totalMicros: 46,
      probe: { kind: 'skipped', reason: 'no quiet moment came in 10 s' },
    }),
  ),
  served(refused),
];
const STATE = MESSAGES.reduce(applyReport, newState(SCENE.domains));
const lines = (columns: number, rows = 24, colour = false) =>
  renderView({ state: STATE, scene: SCENE, elapsedMicros: 12.4e6, columns, rows, palette: palette(colour) });
// biome-ignore lint/suspicious/noControlCharactersInRegex: the colours of a terminal begin with one.
const withoutColour = (text: string): string => text.replaceAll(/\u001b\[[0-9;]*m/g, '');

describe('the live view', () => {
  for (const columns of [60, 80, 120]) {
    it(`looks as it did at ${columns} columns`, () => {
      const drawn = `${lines(columns)
        .map((line) => line.trimEnd())
        .join('\n')}\n`;
      const file = path.join(FOLDER, `view-${columns}.txt`);
      if (process.env.MEMTIDE_GOLDEN === 'write') fs.writeFileSync(file, drawn);
      assert.equal(drawn, fs.readFileSync(file, 'utf8'));
    });
  }

  it('stays within the terminal at every size from 60 columns and 20 rows on', () => {
    for (let columns = 60; columns <= 200; columns += 7) {
      for (const rows of [20, 24, 50]) {
        const drawn = lines(columns, rows);
        assert.ok(drawn.length <= rows, `${drawn.length} lines of ${rows}`);
        for (const line of drawn) assert.ok([...line].length <= columns, `${[...line].length} of ${columns}: ${line}`);
      }
    }
  });

  it('is the same picture in colour', () => {
    assert.notDeepEqual(lines(100, 24, true), lines(100));
    assert.deepEqual(lines(100, 24, true).map(withoutColour), lines(100));
  });

  it('shows gaps, no figures, before the first message', () => {
    const drawn = renderView({
      state: newState(SCENE.domains),
      scene: SCENE,
      elapsedMicros: 0,
      columns: 80,
      rows: 24,
      palette: palette(false),
    }).join('\n');
    assert.doesNotMatch(drawn, /0 B\b(?! given)/);
    assert.match(drawn, /not known: this kernel tells no PSI, or has not yet/);
  });
});

describe('the line without a terminal', () => {
  it('tells memory, bursts and refusals', () => {
    assert.equal(
      plainLine(STATE, SCENE.domains, 12.4e6),
      ' 12 s  infotainment 337 MiB leased + 40 MiB reserve, cluster 220 MiB leased + 12 MiB reserve, pool 87 MiB; 3 bursts (67 % without waiting), 1 refused',
    );
  });
});
