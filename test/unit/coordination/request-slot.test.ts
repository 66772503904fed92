import assert from 'node:assert/strict';
import type net from 'node:net';
import { test } from 'node:test';
import { controlFileInMemory } from '../../../src/control/control-file.ts';
import { GIVEN, SESSION, SESSION_WORDS, SESSIONS } from '../../../src/control/layout.ts';
import { RequestSlot } from '../../../src/coordination/request-slot.ts';
import { GEOMETRY } from './plane-machine.ts';

const SESSION_NUMBER = 3;
const pipe = { ref: () => {}, unref: () => {} } as unknown as net.Socket;

function slotOfNobody(): { readonly slot: RequestSlot; readonly words: Int32Array; readonly rings: () => number } {
  const file = controlFileInMemory(GEOMETRY);
  let rings = 0;
  const slot = new RequestSlot(file, SESSION_NUMBER, pipe, () => rings++);
  return { slot, words: file.words, rings: () => rings };
}

test('a request whose memory has come in another way waits for its donor no longer', async () => {
  const { slot, words, rings } = slotOfNobody();
  let looks = 0;
  const answer = await slot.ask(5, 60_000, () => ++looks === 3);
  assert.equal(answer?.status, GIVEN.ok);
  assert.equal(looks, 3);
  const at = SESSIONS + SESSION_NUMBER * SESSION_WORDS;
  assert.equal(words[at + SESSION.requestChunks], 0, 'and is withdrawn');
  assert.equal(words[at + SESSION.requestSeq], 2);
  assert.equal(rings(), 2);
});

test('who only waits for scrubbing has enough already, and waits for the answer', async () => {
  const { slot, words } = slotOfNobody();
  const asked = slot.ask(0, 60_000, () => assert.fail('nothing to look for'));
  setTimeout(() => {
    const at = SESSIONS + SESSION_NUMBER * SESSION_WORDS;
    Atomics.store(words, at + SESSION.responseStatus, GIVEN.empty);
    Atomics.store(words, at + SESSION.responseSeq, Atomics.load(words, at + SESSION.requestSeq));
    slot.woken();
  }, 50);
  assert.equal((await asked)?.status, GIVEN.empty);
});
