/**
 * The Unix socket API, from the side of a client that knows nothing but JSON lines (src/coordination/SOCKET.md): real back
 * end, real front ends, real memory.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { SESSION_SLOTS, STATE } from '../../src/control/layout.ts';
import { BackendService } from '../../src/coordination/backend-service.ts';
import { FrontendService } from '../../src/coordination/frontend-service.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import type { SessionWelcome } from '../../src/coordination/session-protocol.ts';
import { MAX_CONNECTIONS } from '../../src/coordination/session-server.ts';
import { MAX_WAITING } from '../../src/coordination/socket-session.ts';
import { tryLockByte, unlockByte } from '../../src/native/ofd-lock.ts';
import { packageRoot } from '../../src/package-root.ts';
import type { Extent } from '../../src/platforms/contracts.ts';
import { bytes, KIB, MIB } from '../../src/units.ts';
import { LineClient, type Message } from './line-client.ts';

const CHUNK = 2 * MIB;
const CHUNKS = 16;

let dir: string;
let backend: BackendService;
let cluster: FrontendService;
let infotainment: FrontendService;
const clients: LineClient[] = [];

const socketOf = (domain: string): string => new RunFiles(dir).domain(domain).socket;

async function greet(domain = 'cluster', hello: Message = {}): Promise<LineClient> {
  const client = await LineClient.greet(socketOf(domain), hello);
  clients.push(client);
  return client;
}

async function open(domain = 'cluster'): Promise<LineClient> {
  const client = await LineClient.open(socketOf(domain));
  clients.push(client);
  return client;
}

async function frontend(domain: string): Promise<FrontendService> {
  const front = new FrontendService({
    runDir: dir,
    domain,
    scheduling: {},
    reserveChunks: 0,
    answer: (call) => (call.op === 'status' ? { ok: true, status: 'x'.repeat(1000) } : undefined),
    onNotice: () => {},
    onBackendGone: () => {},
  });
  await front.start();
  return front;
}

before(async () => {
  dir = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'memtide-socket-'));
  backend = new BackendService({
    runDir: dir,
    arenaBytes: bytes(CHUNKS * CHUNK),
    chunkBytes: CHUNK,
    hugePages: 'never',
    lock: false,
    doorbell: 'futex',
    scheduling: {},
    mode: 'hypervisor',
    stuckBackoffMillis: 1,
    domains: ['cluster', 'infotainment'].map((name) => ({
      name,
      limits: { floorChunks: 0, ceilingChunks: CHUNKS, offerChunks: name === 'cluster' ? CHUNKS / 2 : 0 },
    })),
  });
  await backend.start();
  cluster = await frontend('cluster');
  infotainment = await frontend('infotainment');
});

after(async () => {
  await cluster.stop();
  await infotainment.stop();
  await backend.stop();
  fs.rmSync(dir, { recursive: true, force: true });
});

/** Whatever a test did: when its clients have gone, nothing is leased and nothing waits. */
afterEach(async () => {
  for (const client of clients.splice(0)) await client.hangUp();
  for (const front of [cluster, infotainment]) {
    await until('all leases have ended', () => leasedChunks(front) === 0 && front.sessions.liveSessions === 0);
    const { leases, leased_bytes, waiting, agent_held } = front.sessions.figures();
    assert.deepEqual(
      { leases, leased_bytes, waiting, agent_held },
      { leases: 0, leased_bytes: 0, waiting: 0, agent_held: 0 },
    );
  }
});

function chunksIn(front: FrontendService, ...states: number[]): number {
  const counts = new Int32Array(16);
  front.countStates(counts);
  return states.reduce((sum, state) => sum + counts[state]!, 0);
}

const leasedChunks = (front: FrontendService): number =>
  chunksIn(front, STATE.leased, STATE.leasedRevocable, STATE.split, STATE.splitting, STATE.promised);

async function until(what: string, condition: () => boolean): Promise<void> {
  const giveUp = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > giveUp) throw new Error(`waited 20 s until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Borrows; asks again while what was released a moment ago is still on its way. */
async function lease(client: LineClient, call: Message): Promise<Message> {
  for (let tries = 0; ; tries++) {
    const reply = await client.call({ op: 'borrow', deadline_ms: 5000, ...call });
    if (reply.ok) return reply;
    assert.ok(tries < 500 && ['ceiling', 'pool-empty'].includes(String(reply.refusal)), JSON.stringify(reply));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function readExtents(reply: Message): Buffer {
  const fd = fs.openSync(reply.file as string, 'r');
  try {
    return Buffer.concat(
      (reply.extents as Extent[]).map(({ offset, length }) => {
        const part = Buffer.alloc(length);
        fs.readSync(fd, part, 0, length, offset);
        return part;
      }),
    );
  } finally {
    fs.closeSync(fd);
  }
}

const isAll = (memory: Buffer, byte: number): boolean => memory.equals(Buffer.alloc(memory.length, byte));

function fillExtents(reply: Message, byte: number): void {
  const fd = fs.openSync(reply.file as string, 'r+');
  for (const { offset, length } of reply.extents as Extent[])
    fs.writeSync(fd, Buffer.alloc(length, byte), 0, length, offset);
  fs.closeSync(fd);
}

describe('borrowing over the socket', () => {
  test('a lease is a stretch of the arena file, zeroed, and comes back scrubbed after its release', async () => {
    const client = await greet();
    const first = await lease(client, { bytes: 3 * MIB });
    assert.equal((first.extents as Extent[]).length, 1);
    assert.deepEqual(first.extents, [{ offset: first.offset, length: first.length }]);
    assert.equal(first.length, 3 * MIB);
    const tiers = first.tier_bytes as Record<string, number>;
    assert.equal(tiers.reserve! + tiers.pool! + tiers.peer!, 4 * MIB, 'whole chunks were taken out of the offers');
    assert.ok(isAll(readExtents(first), 0));
    fillExtents(first, 0xee);
    assert.deepEqual(await client.call({ op: 'release', lease: first.lease }), { ok: true, released: 3 * MIB });
    for (let round = 0; round < 2 * CHUNKS; round++) {
      const next = await lease(client, { bytes: CHUNK });
      assert.ok(isAll(readExtents(next), 0));
      fillExtents(next, round + 1);
      await client.call({ op: 'release', lease: next.lease });
    }
  });

  test('a small lease takes blocks of 64 KiB, and two leases share no byte', async () => {
    const client = await greet();
    const seen = new Set<number>();
    for (const size of [1, 64 * KIB, 65 * KIB, CHUNK, CHUNK + 1]) {
      const reply = await lease(client, { bytes: size });
      assert.equal(reply.length, Math.ceil(size / (64 * KIB)) * 64 * KIB);
      for (let at = reply.offset as number; at < (reply.offset as number) + (reply.length as number); at += 64 * KIB) {
        assert.equal(seen.has(at), false);
        seen.add(at);
      }
    }
  });

  test('a reply repeats the id of its request, and a pipelined request needs no answer to the one before', async () => {
    const client = await greet();
    const calls = [
      { op: 'borrow', bytes: 100, id: 1 },
      { op: 'status', id: 'two' },
      { op: 'release', lease: 1, id: -3.5 },
      { op: 'no such thing', id: 4 },
      { op: 'borrow', id: 5 },
    ];
    client.send(calls.map((call) => `${JSON.stringify(call)}\n`).join(''));
    for (const { id } of calls) assert.equal((await client.next()).id, id);
  });

  test('a lease of another session, and one that was released, cannot be released', async () => {
    const [one, other] = [await greet(), await greet()];
    const held = await lease(one, { bytes: CHUNK });
    for (const client of [other, one, one]) {
      const reply = await client.call({ op: 'release', lease: held.lease });
      if (client === one && reply.ok) continue;
      assert.match(String(reply.error), /holds no lease/);
    }
  });

  test('bye gives everything back and ends the connection', async () => {
    const client = await greet();
    for (let count = 0; count < 3; count++) await lease(client, { bytes: CHUNK });
    assert.deepEqual(await client.call({ op: 'bye', id: 9 }), { ok: true, bye: true, id: 9 });
    await client.closed();
    await until('all is released', () => leasedChunks(cluster) === 0);
  });

  test('more than there is, is refused with the reason in one word, and a way out', async () => {
    const client = await greet();
    const tooMuch = await client.call({ op: 'borrow', bytes: CHUNKS * CHUNK + 1 });
    assert.match(String(tooMuch.expected), /at most 33554432 bytes/);
    await lease(client, { bytes: CHUNKS * CHUNK });
    const refused = await client.call({ op: 'borrow', bytes: 1, deadline_ms: 0 });
    assert.equal(refused.ok, false);
    assert.ok(['pool-empty', 'ceiling', 'deadline'].includes(String(refused.refusal)), JSON.stringify(refused));
    assert.ok(String(refused.remedy).length > 0);
  });

  test('where no stretch is long enough there are several extents, and "contiguous" is refused', async () => {
    const client = await greet();
    const all = [];
    for (let count = 0; count < CHUNKS; count++) all.push(await lease(client, { bytes: CHUNK }));
    all.sort((a, b) => (a.offset as number) - (b.offset as number));
    for (const [at, { lease: number }] of all.entries())
      if (at % 2 === 0) await client.call({ op: 'release', lease: number });
    await until(
      'the released chunks are scrubbed',
      () => chunksIn(cluster, STATE.reserved, STATE.offered) >= CHUNKS / 2,
    );
    const refused = await client.call({ op: 'borrow', bytes: 4 * CHUNK, deadline_ms: 2000, contiguous: true });
    assert.equal(refused.refusal, 'fragmented', JSON.stringify(refused));
    const scattered = await lease(client, { bytes: 4 * CHUNK });
    assert.equal((scattered.extents as Extent[]).length, 4);
    assert.equal(scattered.offset, undefined);
    assert.ok(isAll(readExtents(scattered), 0));
  });

  test('of two clients that race for the last chunk one gets it, whole', async () => {
    const [holder, one, other] = [await greet(), await greet(), await greet()];
    await lease(holder, { bytes: (CHUNKS - 1) * CHUNK });
    for (let round = 0; round < 50; round++) {
      const replies = await Promise.all(
        [one, other].map((client) => client.call({ op: 'borrow', bytes: CHUNK, deadline_ms: 0 })),
      );
      // Now and then the chunk is still being scrubbed.
      assert.ok(replies.filter(({ ok }) => ok).length <= 1, JSON.stringify(replies));
      for (const [at, client] of [one, other].entries()) {
        if (replies[at]!.ok) await client.call({ op: 'release', lease: replies[at]!.lease });
      }
    }
  });
});

test('the conversation in SOCKET.md is what is said', async () => {
  const page = fs.readFileSync(path.join(packageRoot(), 'src', 'coordination', 'SOCKET.md'), 'utf8');
  const [, conversation] = /```\n(>[\s\S]*?)```/.exec(page)!;
  const turns = conversation!
    .replace(/\n {3}/g, '')
    .trim()
    .split('\n');
  const client = await open();
  let fd = -1;
  let held: unknown;
  for (const [at, turn] of turns.entries()) {
    const words = JSON.parse(turn.slice(2)) as Message;
    if (turn.startsWith('<')) {
      // Only another domain's need brings a notice; the shape of one is tested elsewhere.
      if (words.notice !== undefined) continue;
      const reply = await client.next();
      assert.deepEqual(Object.keys(reply), Object.keys(words), turn);
      if (words.hello) {
        for (const key of Object.keys(words.hello)) assert.ok(Object.hasOwn(reply.hello as object, key), key);
        const { lock } = reply.hello as SessionWelcome;
        fd = fs.openSync(lock.file, 'r+');
        assert.ok(tryLockByte(fd, lock.byte));
      }
      held = reply.lease ?? held;
    } else {
      if (words.op === 'borrow')
        await until('memory is there', () => chunksIn(cluster, STATE.reserved, STATE.offered) >= 4);
      const said = words.op === 'release' ? { ...words, lease: held } : words;
      client.send(`${JSON.stringify(said)}\n`);
      assert.ok(
        turns.slice(at + 1).some((next) => next.startsWith('<')),
        'every call has its answer',
      );
    }
  }
  fs.closeSync(fd);
});

describe('who holds the lock', () => {
  const welcomeOf = (reply: Message): SessionWelcome => reply.hello as SessionWelcome;

  test('leases behind a lock of the agent end with the connection', async () => {
    const client = await greet();
    await lease(client, { bytes: 4 * CHUNK });
    await client.hangUp();
    await until('the leases have ended', () => leasedChunks(cluster) === 0);
  });

  test('leases behind a lock of the client outlive its connection, and end with the lock', async () => {
    const client = await open();
    const { lock } = welcomeOf(await client.call({ op: 'hello', version: 1, locks: 'client' }));
    assert.match(String((await client.call({ op: 'borrow', bytes: 1 })).error), /lock/);
    assert.match(String((await client.call({ op: 'ready' })).error), /not held/);
    const fd = fs.openSync(lock.file, 'r+');
    assert.ok(tryLockByte(fd, lock.byte));
    assert.equal((await client.call({ op: 'ready' })).ok, true);
    const held = await lease(client, { bytes: 2 * CHUNK });
    fillExtents(held, 7);
    await client.hangUp();
    await until('the connection is gone', () => cluster.sessions.figures().connections === 0);
    for (let look = 0; look < 3; look++) {
      cluster.sessions.reapDead();
      const others = await greet();
      assert.notEqual((await others.call({ op: 'borrow', bytes: (CHUNKS - 1) * CHUNK, deadline_ms: 0 })).ok, true);
      await others.hangUp();
    }
    assert.ok(isAll(readExtents(held), 7));
    unlockByte(fd, lock.byte);
    fs.closeSync(fd);
    cluster.sessions.reapDead();
    assert.equal(leasedChunks(cluster), 0);
  });

  test('an agent that starts anew spares what a client holds behind its own lock, and takes back the rest', async () => {
    const client = await open();
    const { lock } = welcomeOf(await client.call({ op: 'hello', version: 1, locks: 'client' }));
    const fd = fs.openSync(lock.file, 'r+');
    assert.ok(tryLockByte(fd, lock.byte));
    await client.call({ op: 'ready' });
    const held = await lease(client, { bytes: 2 * CHUNK });
    fillExtents(held, 9);
    const other = await greet();
    await lease(other, { bytes: 3 * CHUNK });
    await cluster.stop();
    await Promise.all([client.closed(), other.closed()]);
    cluster = await frontend('cluster');
    assert.equal(leasedChunks(cluster), 2);
    assert.ok(isAll(readExtents(held), 9));
    // A number of the old agent names nothing of the new one's.
    const later = await greet();
    const fresh = await lease(later, { bytes: CHUNK });
    assert.notEqual(fresh.lease, held.lease);
    assert.equal((await later.call({ op: 'release', lease: held.lease })).ok, false);
    fs.closeSync(fd);
    await until('the lock is seen to be free', () => {
      cluster.sessions.reapDead();
      return leasedChunks(cluster) === 1;
    });
  });

  test('a client that lost its connection takes its session up again, and nobody else does', async () => {
    const client = await open();
    const { lock, session } = welcomeOf(await client.call({ op: 'hello', version: 1, locks: 'client', pid: 4711 }));
    const fd = fs.openSync(lock.file, 'r+');
    assert.ok(tryLockByte(fd, lock.byte));
    await client.call({ op: 'ready' });
    const held = await lease(client, { bytes: 2 * CHUNK });
    await client.hangUp();
    const stranger = await open();
    assert.match(
      String((await stranger.call({ op: 'hello', version: 1, session, pid: 4712 })).error),
      /no such session/,
    );
    const again = await open();
    assert.equal(welcomeOf(await again.call({ op: 'hello', version: 1, session, pid: 4711 })).session, session);
    assert.deepEqual(await again.call({ op: 'release', lease: held.lease }), { ok: true, released: 2 * CHUNK });
    const agentHeld = await open();
    const theirs = welcomeOf(await agentHeld.call({ op: 'hello', version: 1, pid: 4711 })).session;
    const thief = await open();
    assert.equal((await thief.call({ op: 'hello', version: 1, session: theirs, pid: 4711 })).ok, false);
    fs.closeSync(fd);
  });

  test('a session that its client has unlocked can borrow nothing more', async () => {
    const client = await open();
    const { lock } = welcomeOf(await client.call({ op: 'hello', version: 1, locks: 'client' }));
    const fd = fs.openSync(lock.file, 'r+');
    assert.ok(tryLockByte(fd, lock.byte));
    await client.call({ op: 'ready' });
    await lease(client, { bytes: CHUNK });
    fs.closeSync(fd);
    cluster.sessions.reapDead();
    assert.match(String((await client.call({ op: 'borrow', bytes: 1 })).error), /hello first/);
    assert.equal(leasedChunks(cluster), 0);
  });
});

describe('memory of other domains', () => {
  /** Releases whatever is wanted back, until the connection ends. */
  async function obey(donor: LineClient): Promise<void> {
    for (;;) {
      const notice = await donor.notice().catch(() => undefined);
      if (!notice) return;
      donor.send(`${JSON.stringify({ op: 'release', lease: notice.lease })}\n`);
    }
  }

  test('a revocable lease is called back, and what its holder releases serves the other', async () => {
    const donor = await greet('cluster');
    const cache = [];
    for (let count = 0; count < CHUNKS; count++) cache.push(await lease(donor, { bytes: CHUNK, revocable: true }));
    for (const one of cache) fillExtents(one, 0xcc);
    const recipient = await greet('infotainment');
    const burst = lease(recipient, { bytes: 2 * CHUNK, deadline_ms: 10_000 });
    for (const oldest of cache.slice(0, 2)) {
      const notice = await donor.notice();
      assert.deepEqual(notice, { notice: 'reclaim', lease: oldest.lease, wanted_bytes: 2 * CHUNK });
      await donor.call({ op: 'release', lease: notice.lease });
    }
    const served = await burst;
    assert.equal((served.tier_bytes as Record<string, number>).peer, 2 * CHUNK);
    assert.ok(isAll(readExtents(served), 0), 'handed over scrubbed');
    assert.ok(isAll(readExtents(cache[2]!), 0xcc), 'the rest of the cache is untouched');
    assert.equal(cluster.sessions.figures().reclaim_notices, 2);
  });

  test('who does not answer a notice keeps its lease, and the other is refused at its deadline', async () => {
    const donor = await greet('cluster');
    const kept = await lease(donor, { bytes: CHUNKS * CHUNK, revocable: true });
    fillExtents(kept, 0xdd);
    const recipient = await greet('infotainment');
    const refused = await recipient.call({ op: 'borrow', bytes: CHUNK, deadline_ms: 50 });
    assert.equal(refused.refusal, 'deadline', JSON.stringify(refused));
    assert.ok(isAll(readExtents(kept), 0xdd));
  });

  test('requests wait in order, other clients are served meanwhile, and too many are refused', async () => {
    const [donor, waiting, other] = [await greet('infotainment'), await greet(), await greet()];
    const cache = [];
    for (let count = 1; count < CHUNKS; count++) cache.push(await lease(donor, { bytes: CHUNK, revocable: true }));
    const large = { op: 'borrow', bytes: 2 * CHUNK, deadline_ms: 20_000 };
    const small = { op: 'borrow', bytes: 64 * KIB, deadline_ms: 20_000 };
    const calls = [large, ...Array.from({ length: MAX_WAITING }, () => small)];
    waiting.send(calls.map((call, id) => `${JSON.stringify({ ...call, id })}\n`).join(''));
    const tooMany = await waiting.next();
    assert.equal(tooMany.id, MAX_WAITING, 'the one that found the queue full is answered first');
    assert.match(String(tooMany.error), /wait already/);
    assert.equal(cluster.sessions.figures().waiting, MAX_WAITING);
    const served = await lease(other, { bytes: 64 * KIB });
    await other.call({ op: 'release', lease: served.lease });
    // The donor obeys from now on. It has released something of its own accord as well.
    for (const { lease: number } of cache.slice(0, 4)) await donor.call({ op: 'release', lease: number });
    void obey(donor);
    for (let id = 0; id < MAX_WAITING; id++) {
      const reply = await waiting.next();
      assert.equal(reply.id, id);
      assert.equal(reply.ok, true, JSON.stringify(reply));
    }
  });

  test('a client that leaves while it waits takes nothing with it', async () => {
    const [donor, leaving] = [await greet('infotainment'), await greet()];
    const kept = await lease(donor, { bytes: CHUNKS * CHUNK, revocable: true });
    leaving.send(`${JSON.stringify({ op: 'borrow', bytes: CHUNK, deadline_ms: 60_000 })}\n`);
    await donor.notice();
    assert.equal(cluster.sessions.figures().waiting, 1);
    await leaving.hangUp();
    await until('nobody waits', () => cluster.sessions.figures().waiting === 0);
    await donor.call({ op: 'release', lease: kept.lease });
    // What comes for the one that has left is there for others.
    const other = await greet();
    await lease(other, { bytes: CHUNKS * CHUNK, deadline_ms: 20_000 });
  });
});

describe('clients that mean no good, or know no better', () => {
  let bystander: LineClient;
  /** Somebody else, who is served all the while. */
  const unharmed = async (): Promise<void> => {
    const held = await lease(bystander, { bytes: 64 * KIB });
    assert.equal((await bystander.call({ op: 'release', lease: held.lease })).ok, true);
  };

  test('what is no JSON object with an op is answered with one line, and ends the connection and its leases', async () => {
    bystander = await greet();
    const before = cluster.sessions.figures().ended_for_garbage;
    const lines = ['x', '{', '[]', 'null', '7', '"hello"', '{}', '{"op":7}', '\u0000\u0001', '{"op":"hello"}}'];
    for (const line of lines) {
      const client = await greet();
      await lease(client, { bytes: CHUNK });
      client.send(`${line}\n{"op":"status"}\n`);
      assert.match(String((await client.next()).error), /^not understood: /);
      await client.closed();
      assert.equal(client.unread, 0, 'nothing after it is served');
      await unharmed();
    }
    assert.equal(cluster.sessions.figures().ended_for_garbage - before, lines.length);
    await until('the leases have ended', () => leasedChunks(cluster) <= 1);
  });

  test('whatever a line says, it is answered or ends the connection, and harms nobody', async () => {
    bystander = await greet();
    const words = [
      'hello',
      'ready',
      'borrow',
      'release',
      'bye',
      'burst',
      'program',
      'status',
      'constructor',
      '__proto__',
    ];
    const value = fc.oneof(fc.jsonValue(), fc.integer(), fc.double(), fc.constantFrom('agent', 'client', 'served'));
    const call = fc.record(
      {
        op: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...words) }, fc.string()),
        ...Object.fromEntries(
          [
            ...['id', 'version', 'pid', 'session', 'locks', 'bytes', 'deadline_ms', 'revocable', 'contiguous', 'lease'],
            ...['burst', 'ended', '__proto__', 'toString'],
          ].map((key) => [key, value]),
        ),
      },
      { requiredKeys: ['op'] },
    );
    const line = fc.oneof(
      { weight: 6, arbitrary: call.map((each) => JSON.stringify(each)) },
      { weight: 1, arbitrary: fc.json() },
      { weight: 1, arbitrary: fc.string() },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 12 }), fc.boolean(), async (lines, greeted) => {
        const client = greeted ? await greet() : await open();
        // The last line is understood for sure: what was sent before it has been dealt with when it is answered.
        client.send([...lines, '{"op":"status","id":"the last"}', ''].join('\n'));
        let last: Message | undefined;
        for (;;) {
          const reply = await client.next().catch(() => undefined);
          if (!reply) break;
          assert.equal(typeof reply.ok, 'boolean');
          if (reply.ok === false) assert.equal(typeof reply.error, 'string');
          last = reply;
          if (reply.id === 'the last') break;
        }
        const ended = last?.id !== 'the last';
        if (ended && last !== undefined) assert.ok(last.bye === true || /^not understood/.test(String(last.error)));
        await client.hangUp();
        await unharmed();
      }),
      { numRuns: 150 },
    );
  });

  test('a line of 1 MiB, and half a line', async () => {
    bystander = await greet();
    const long = await greet();
    await lease(long, { bytes: CHUNK });
    long.send(`{"op":"borrow","bytes":${'1'.repeat(MIB)}`);
    assert.match(String((await long.next()).error), /a line of more than 65536 characters/);
    await long.closed();
    const half = await greet();
    await lease(half, { bytes: CHUNK });
    half.send('{"op":"borrow","bytes":');
    await unharmed();
    assert.equal(half.unread, 0);
    await half.hangUp();
    await unharmed();
  });

  test('who floods is served in turn with the others, not before them', async () => {
    bystander = await greet();
    const flood = await greet();
    // All of it comes in one piece, and first.
    flood.send('{"op":"release","lease":1}\n'.repeat(2000));
    await bystander.call({ op: 'release', lease: 1 });
    assert.ok(flood.unread < 300, `${flood.unread} of the flood were served before the other`);
    for (let reply = 0; reply < 2000; reply++) assert.equal((await flood.next()).ok, false);
    // More than anybody has patience for, and nothing is lost.
    flood.send('{"op":"release","lease":1}\n'.repeat(20_000));
    await unharmed();
    for (let reply = 0; reply < 20_000; reply++) assert.equal((await flood.next()).ok, false);
  });

  test('who does not read loses the connection, and its leases with it', async () => {
    bystander = await greet();
    const deaf = await greet();
    await lease(deaf, { bytes: CHUNK });
    deaf.socket.pause();
    deaf.send('{"op":"status"}\n'.repeat(2000)); // about a thousand characters each
    await until('it is cut off', () => cluster.sessions.figures().ended_for_not_reading === 1);
    await until('its lease has ended', () => cluster.sessions.figures().leases === 0);
    await unharmed();
  });

  test('who never releases holds up to the ceiling of its domain, and nothing when it has gone', async () => {
    const hoarder = await greet();
    let held = 0;
    for (;;) {
      const reply = await hoarder.call({ op: 'borrow', bytes: CHUNK, deadline_ms: 0 });
      if (!reply.ok) break;
      held++;
    }
    assert.equal(held, CHUNKS);
    await hoarder.hangUp();
  });

  test('connections beyond the most there may be are turned away with a word; so are sessions', async () => {
    bystander = await greet();
    const crowd = [];
    for (let session = 2; session < SESSION_SLOTS; session++) crowd.push(await greet());
    const late = await open();
    assert.match(
      String((await late.call({ op: 'hello', version: 1 })).error),
      /all 127 sessions of the domain are taken/,
    );
    while (cluster.sessions.figures().connections < MAX_CONNECTIONS) await open();
    const last = await open();
    assert.match(String((await last.next()).error), /256 connections already/);
    await last.closed();
    await unharmed();
    await crowd[0]!.hangUp();
    await until('there is room again', () => cluster.sessions.figures().connections < MAX_CONNECTIONS);
    await greet();
  });

  test('no process that unlocks, and no hello that is repeated, gives a client a second session', async () => {
    const client = await greet();
    const sessions = new Set();
    for (let count = 0; count < 3; count++) {
      const { hello } = await client.call({ op: 'hello', version: 1 });
      sessions.add((hello as SessionWelcome).session);
    }
    assert.equal(sessions.size, 1);
    assert.equal((await client.call({ op: 'hello', version: 99 })).ok, false);
  });
});
