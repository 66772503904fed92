/**
 * What waking the other domain costs: memtide's doorbell, from Node, against a bare ping-pong in C over event channels,
 * between the same two domains in the same boot, by turns. The times are those of an emulator: only the ratio says
 * something, and it is shown, not asserted: this machine may be doing something else.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { summarize } from '../../src/latency/percentiles.ts';
import { SOURCE, takeSource } from '../contract/doorbell-program.ts';
import { startInGuest } from './guest-bell.ts';
import { domidOf, GUESTS, type Guest, inGuest, ON_BOARD } from './guests.ts';

const BARE = '/opt/memtide/bin/evtchn-ping-pong';
const ROUNDS = 400;
const TURNS = 3;
const skip = ON_BOARD.skip || (fs.existsSync(BARE) ? false : 'no cross compiler where the image was built');

describe('round trip between domains', { skip, timeout: 600_000 }, () => {
  test('of the doorbell, and of a bare event channel', async (t) => {
    const guest = GUESTS[0]!;
    const [doorbell, bare]: [number[], number[]] = [[], []];
    for (let turn = 0; turn < TURNS; turn++) {
      doorbell.push(...(await doorbellMicros()));
      bare.push(...(await bareMicros(guest)));
    }
    assert.equal(doorbell.length, TURNS * ROUNDS);
    assert.equal(bare.length, TURNS * ROUNDS);
    const [ours, theirs] = [summarize(doorbell)!, summarize(bare)!];
    t.diagnostic(`emulated: doorbell from Node: p50 ${ours.p50.toFixed(0)} µs, p99 ${ours.p99?.toFixed(0)} µs`);
    t.diagnostic(`emulated: bare ping-pong in C: p50 ${theirs.p50.toFixed(0)} µs, p99 ${theirs.p99?.toFixed(0)} µs`);
    t.diagnostic(`emulated: ratio of the p50: ${(ours.p50 / theirs.p50).toFixed(2)}`);
  });
});

async function doorbellMicros(): Promise<number[]> {
  const { waiter, openRinger, ended } = await startInGuest();
  const hear = (): void => {
    while (!takeSource(waiter.pending, SOURCE.pong)) waiter.wait(250);
  };
  hear();
  const ringer = openRinger();
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = performance.now();
    ringer.ring(SOURCE.ping);
    hear();
    times.push((performance.now() - before) * 1000);
  }
  ringer.ring(SOURCE.stop);
  await ended;
  return times;
}

async function bareMicros(guest: Guest): Promise<number[]> {
  const file = '/tmp/evtchn-ping-pong.port';
  const port = await inGuest(
    guest,
    `rm -f ${file}
     setsid ${BARE} answer 0 >${file} 2>&1 &
     until [ -s ${file} ]; do sleep 0.1; done
     cat ${file}`,
  );
  const args = ['ask', String(await domidOf(guest)), port.trim(), String(ROUNDS)];
  const { stdout } = await promisify(execFile)(BARE, args);
  await inGuest(guest, 'pkill evtchn-ping');
  return stdout
    .trim()
    .split('\n')
    .map((nanos) => Number(nanos) / 1000);
}
