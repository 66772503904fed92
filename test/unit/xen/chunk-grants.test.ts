import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlBytes } from '../../../src/control/layout.ts';
import { aliveByte, ChunkGrants, chunkGrantBytes, sharedPages } from '../../../src/xen/chunk-grants.ts';
import { MAX_GRANT_REFS } from '../../../src/xen/discovery-nodes.ts';

const GEOMETRY = { chunkCount: 4, chunkShift: 18, blockShift: 16 };
const PAGES = 64;
const makeWords = (): Int32Array => new Int32Array((controlBytes(GEOMETRY) + chunkGrantBytes(GEOMETRY)) / 4);
const references = (first: number): number[] => Array.from({ length: PAGES }, (_, page) => first + page);

test('a chunk is granted by its references, withdrawn, and granted anew by others', () => {
  const words = makeWords();
  const [dom0, guest] = [new ChunkGrants(words, GEOMETRY), new ChunkGrants(words, GEOMETRY)];
  assert.equal(guest.referencesOf(3), undefined);
  dom0.grant(3, references(100), 1);
  assert.deepEqual([...guest.referencesOf(3)!], references(100));
  assert.equal(guest.referencesOf(2), undefined);
  dom0.withdraw(3, 2);
  assert.equal(guest.referencesOf(3), undefined);
  dom0.grant(3, references(900), 3);
  assert.deepEqual([...guest.referencesOf(3)!], references(900));
  assert.equal(guest.turnOf(3), 3);
});

test('references are a copy: what is written later is not in them', () => {
  const grants = new ChunkGrants(makeWords(), GEOMETRY);
  grants.grant(0, references(8), 1);
  const copy = grants.referencesOf(0)!;
  grants.grant(0, references(500), 3);
  assert.deepEqual([...copy], references(8));
});

test('the table lies behind the control file, from the byte on by which an end is told, and in its pages', () => {
  const words = makeWords();
  const grants = new ChunkGrants(words, GEOMETRY);
  assert.equal(grants.isAlive, false);
  grants.sayAlive();
  assert.equal(grants.isAlive, true);
  assert.equal(new Uint8Array(words.buffer)[aliveByte(GEOMETRY)], 1, 'the kernel clears one byte');
  grants.grant(GEOMETRY.chunkCount - 1, references(1), 1);
  assert.ok(words.subarray(0, controlBytes(GEOMETRY) / 4).every((word) => word === 0));
  assert.equal(sharedPages(GEOMETRY) * 4096, words.byteLength);
});

test('an arena of 512 MiB fits into what a guest can offer', () => {
  assert.ok(sharedPages({ chunkCount: 256, chunkShift: 21, blockShift: 16 }) <= MAX_GRANT_REFS);
});
