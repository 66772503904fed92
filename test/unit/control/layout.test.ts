import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as layout from '../../../src/control/layout.ts';

/** Word ranges of all that lies in a control file: `[name, first, words]`. */
function regions(geometry: layout.Geometry): [string, number, number][] {
  const bell = layout.BELL.pending + layout.BELL_PENDING_WORDS;
  const ring = layout.RING_ENTRIES * layout.ENTRY_WORDS;
  const word = (fields: object): [string, number, number][] =>
    Object.entries(fields).map(([name, at]) => [name, at as number, 1]);
  return [
    ...word(layout.IDENTITY),
    ...word(layout.FRONT),
    ...word(layout.BACK),
    ['front bell', layout.FRONT_BELL, bell],
    ['back bell', layout.BACK_BELL, bell],
    ['F→B head', layout.FRONT_TO_BACK.head, 16],
    ['F→B tail', layout.FRONT_TO_BACK.tail, 16],
    ['B→F head', layout.BACK_TO_FRONT.head, 16],
    ['B→F tail', layout.BACK_TO_FRONT.tail, 16],
    ['ping', layout.PING, 1],
    ['F→B ring', layout.FRONT_TO_BACK.entries, ring],
    ['B→F ring', layout.BACK_TO_FRONT.entries, ring],
    ['sessions', layout.SESSIONS, layout.SESSION_SLOTS * layout.SESSION_WORDS],
    ['ledger', layout.LEDGER, geometry.chunkCount],
    ['blocks', layout.blockTable(geometry) / 2, (geometry.chunkCount * layout.blocksPerChunk(geometry)) / 2],
  ];
}

const TWO_MIB = { chunkShift: 21, blockShift: 16 };

test('the fields of a control file do not overlap and lie inside it', () => {
  for (const chunkCount of [1, 15, 16, 17, 640, layout.MAX_CHUNKS]) {
    for (const chunkShift of [18, 21, 23]) {
      const geometry = { chunkCount, chunkShift, blockShift: 16 };
      let end = 0;
      for (const [name, first, words] of regions(geometry).sort((a, b) => a[1] - b[1])) {
        assert.ok(first >= end, `${name} begins at word ${first}, before ${end}`);
        end = first + words;
      }
      assert.ok(end * 4 <= layout.controlBytes(geometry));
      assert.equal(layout.controlBytes(geometry) % 4096, 0);
    }
  }
});

test('the byte map is the one that is drawn in layout.ts', () => {
  const bytes = Object.fromEntries(regions({ chunkCount: 640, ...TWO_MIB }).map(([name, first]) => [name, first * 4]));
  assert.deepEqual(
    { ...bytes, session: layout.SESSION_WORDS * 4, entry: layout.ENTRY_WORDS * 4 },
    {
      ...{ magic: 0, version: 4, byteLength: 8, chunkCount: 12, chunkShift: 16, blockShift: 20, sessionSlots: 24 },
      ...{ domainId: 28, arenaId: 32, incarnation: 128, heartbeat: 132, reserveTarget: 72 },
      ...{ owedChunks: 76 },
      ...{ mode: 136, ceilingChunks: 140, floorChunks: 144, 'front bell': 192, 'back bell': 256 },
      ...{ 'F→B head': 320, 'F→B tail': 384, 'B→F head': 448, 'B→F tail': 512, ping: 576 },
      ...{ 'F→B ring': 4096, 'B→F ring': 8192, sessions: 12288, ledger: 20480, blocks: 23040 },
      ...{ session: 64, entry: 64 },
    },
  );
});

test('no two sides write the same cache line of the rings, and no session slot shares a line with another', () => {
  const { FRONT_TO_BACK, BACK_TO_FRONT } = layout;
  const lines = [FRONT_TO_BACK.head, FRONT_TO_BACK.tail, BACK_TO_FRONT.head, BACK_TO_FRONT.tail].map((at) => at / 16);
  assert.equal(new Set(lines.map(Math.floor)).size, 4);
  assert.equal(layout.SESSIONS % 16, 0);
  assert.equal(layout.SESSION_WORDS % 16, 0);
});

test('64 KiB carries an arena of 1.25 GiB in chunks of 2 MiB, and no more', () => {
  assert.ok(layout.controlBytes({ chunkCount: 640, ...TWO_MIB }) <= 65_536);
  assert.ok(layout.controlBytes({ chunkCount: 700, ...TWO_MIB }) > 65_536);
});

test('a ledger word holds any state with any session, and a block word any session', () => {
  for (const state of Object.values(layout.STATE)) {
    for (const session of [0, 1, layout.SESSION_SLOTS - 1]) {
      const word = layout.wordOf(state, session);
      assert.equal(layout.stateOf(word), state);
      assert.equal(layout.sessionOf(word), session);
    }
  }
  assert.ok(
    layout.BLOCK.sessionBase >
      Math.max(layout.BLOCK.none, layout.BLOCK.free, layout.BLOCK.dirty, layout.BLOCK.scrubbing),
  );
  assert.ok(layout.BLOCK.sessionBase + layout.SESSION_SLOTS < 2 ** 16);
});

test('the layout version says which of all this it is', () => {
  // Whoever changes a number above changes this one too: files of one version are read by others of that version.
  assert.equal(layout.LAYOUT_VERSION, 1);
});
