/**
 * Requests change between the ring and the slow link while they are under way, over a link that loses, doubles and reorders:
 * none is served twice, none is lost, and memory is conserved throughout.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GIVEN, STATE } from '../../../src/control/layout.ts';
import type { BackendCall } from '../../../src/coordination/agent-protocol.ts';
import type { TellOverLink } from '../../../src/coordination/answer-memory.ts';
import { NeedHandOver } from '../../../src/coordination/need-handover.ts';
import { type App, CHUNK_BYTES, PlaneMachine, ring } from './plane-machine.ts';

const limits = { floorChunks: 0, ceilingChunks: 16, offerChunks: 0 };
const SECOND = 1_000_000;

type Need = BackendCall & { op: 'need' };

/** One domain with a slow link that carries what a test lets it carry. */
class Line {
  readonly machine = new PlaneMachine([limits]);
  readonly needs: Need[] = [];
  readonly answers: Parameters<TellOverLink>[] = [];
  readonly handOver: NeedHandOver;
  up = true;

  constructor() {
    const { machine } = this;
    machine.settle();
    machine.tellOverLink = (_, answer) => this.answers.push(answer);
    this.handOver = new NeedHandOver(machine.domains[0]!.file.words, machine.clock, (call) => {
      if (this.up) this.needs.push(call as Need);
      return this.up;
    });
  }

  /** Time passes; the slow plane looks ten times a second. */
  pass(micros: number): void {
    for (let left = micros; left > 0; left -= 100_000) {
      this.machine.advance(Math.min(left, 100_000));
      this.handOver.look();
    }
  }

  deliverNeed({ id, session, chunks, deadlineMicros }: Need): void {
    this.machine.back.need(0, id, session, chunks, deadlineMicros);
    this.machine.settle();
  }

  deliverAnswer([id, session, chunks, status, decide, release]: Parameters<TellOverLink>): void {
    this.machine.domains[0]!.plane.given(session, id, chunks, status, decide, release);
    this.machine.settle();
  }

  deliverAll(): void {
    for (const need of this.needs.splice(0)) this.deliverNeed(need);
    for (const answer of this.answers.splice(0)) this.deliverAnswer(answer);
  }
}

test('while the back end’s heart beats, nothing goes over the slow link', () => {
  const line = new Line();
  line.machine.domains[0]!.connect(1).request(20, SECOND); // beyond the ceiling
  line.pass(2 * SECOND);
  assert.deepEqual(line.needs, []);
  assert.equal(line.handOver.isStale, false);
});

test('a request that the stale ring does not carry is served over the slow link, and not again when the ring is back', () => {
  const line = new Line();
  const { machine } = line;
  const app = machine.domains[0]!.connect(1);
  machine.ringsAreStale = true;
  app.request(3, 10 * SECOND);
  line.pass(SECOND);
  assert.equal(line.handOver.isStale, true);
  assert.equal(app.answer, undefined);
  line.deliverNeed(line.needs[0]!);
  line.deliverNeed(line.needs[0]!);
  assert.ok(app.claim(3 * CHUNK_BYTES), 'what was promised is in the ledger');
  machine.ringsAreStale = false;
  line.pass(SECOND);
  assert.equal(line.handOver.isStale, false);
  assert.equal(app.answer, GIVEN.ok);
  assert.equal(machine.back.stats.requests, 1);
  assert.equal(machine.back.books.heldBy(0), 3);
  line.deliverAll(); // historical by now
  assert.equal(machine.back.books.heldBy(0), 3);
  machine.check();
});

test('a ring that is full holds a request back and does not refuse it', () => {
  const line = new Line();
  const { machine } = line;
  const [domain] = machine.domains;
  machine.ringsAreStale = true;
  const app = domain!.connect(1);
  for (let number = 0; number < 80; number++) {
    app.request(1, SECOND);
    machine.settle();
    assert.equal(app.answer, undefined);
  }
  line.pass(SECOND);
  line.deliverAll();
  assert.equal(app.answer, GIVEN.ok);
  machine.ringsAreStale = false;
  line.pass(SECOND);
  assert.equal(machine.back.stats.requests, 1, 'of the eighty, the one that was still asked');
  machine.check();
});

test('a request that its successor has overtaken, or that nobody makes, is passed over', () => {
  const line = new Line();
  const { machine } = line;
  const app = machine.domains[0]!.connect(1);
  for (let number = 0; number < 3; number++) {
    app.request(1, SECOND);
    machine.settle();
  }
  const held = machine.back.books.heldBy(0);
  for (const id of [2, 4, -1_000_000]) {
    line.deliverNeed({ op: 'need', id, session: 1, chunks: 2, deadlineMicros: SECOND });
    assert.equal(machine.back.books.heldBy(0), held);
  }
  app.request(1, SECOND);
  machine.settle();
  assert.equal(app.answer, GIVEN.ok, 'and stands in nobody’s way');
});

test('an agent that was stopped itself does not take its back end for stale', () => {
  const line = new Line();
  line.handOver.look();
  line.machine.clock.advanceMicros(60 * SECOND);
  line.handOver.look();
  assert.equal(line.handOver.isStale, false);
});

/** What may happen, by name; numbers choose among applications and messages. */
const event = fc.oneof(
  fc.record({ kind: fc.constant('ask' as const), which: fc.nat(2), chunks: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('claim' as const), which: fc.nat(2) }),
  fc.record({ kind: fc.constant('release' as const), which: fc.nat(2) }),
  fc.record({ kind: fc.constantFrom('stale' as const, 'fresh' as const, 'down' as const, 'up' as const) }),
  fc.record({ kind: fc.constant('pass' as const), tenths: fc.integer({ min: 1, max: 12 }) }),
  fc.record({
    kind: fc.constantFrom('need' as const, 'answer' as const),
    which: fc.nat(9),
    how: fc.constantFrom('once' as const, 'lost' as const, 'and again' as const),
  }),
);

test('however requests change over, each is served at most once and answered in the end, and memory is conserved', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const line = new Line();
      const { machine } = line;
      const apps = [1, 2, 3].map((session) => machine.domains[0]!.connect(session));
      const open = new Set<App>();
      let asked = 0;
      for (const happens of events) {
        const app = 'which' in happens ? apps[happens.which % apps.length]! : apps[0]!;
        if (happens.kind === 'ask' && app.answer !== undefined && app.claims.length === 0) {
          app.request(happens.chunks, 1000 * SECOND);
          asked++;
          open.add(app);
        } else if (happens.kind === 'claim' && app.answer === GIVEN.ok) app.claim(CHUNK_BYTES);
        else if (happens.kind === 'release') app.release();
        else if (happens.kind === 'stale') machine.ringsAreStale = true;
        else if (happens.kind === 'fresh') machine.ringsAreStale = false;
        else if (happens.kind === 'down' || happens.kind === 'up') line.up = happens.kind === 'up';
        else if (happens.kind === 'pass') line.pass(happens.tenths * 100_000);
        else if (happens.kind === 'need') {
          const need = line.needs[happens.which % Math.max(1, line.needs.length)];
          if (need && happens.how !== 'and again') line.needs.splice(line.needs.indexOf(need), 1);
          if (need && happens.how !== 'lost') line.deliverNeed(need);
        } else if (happens.kind === 'answer') {
          const answer = line.answers[happens.which % Math.max(1, line.answers.length)];
          if (answer && happens.how !== 'and again') line.answers.splice(line.answers.indexOf(answer), 1);
          if (answer && happens.how !== 'lost') line.deliverAnswer(answer);
        }
        machine.settle();
        machine.check();
        assert.ok(machine.back.stats.requests <= asked, 'a request was taken up twice');
      }
      machine.ringsAreStale = false;
      line.pass(SECOND);
      line.deliverAll();
      for (const app of open) assert.notEqual(app.answer, undefined, 'a request was lost');
      assert.equal(machine.back.stats.requests, asked);
      assert.equal(machine.back.stats.violations, 0);
      // What nobody claimed is not kept for anybody.
      line.pass(SECOND);
      assert.equal(machine.count(0, STATE.promised), 0);
      machine.check();
    }),
    { numRuns: 200 },
  );
});

test('sabotage: a back end that forgets what it has answered serves a request twice', () => {
  const line = new Line();
  const { machine } = line;
  const app = machine.domains[0]!.connect(1);
  app.request(3, 10 * SECOND);
  machine.settle();
  app.claim(3 * CHUNK_BYTES);
  const told: Need = { op: 'need', id: 1, session: 1, chunks: 3, deadlineMicros: SECOND };
  line.deliverNeed(told);
  assert.equal(machine.back.books.heldBy(0), 3);
  machine.startBack(); // as one does that was killed: it remembers no answers
  line.deliverNeed(told);
  assert.equal(machine.back.books.heldBy(0), 6);
  ring(machine.domains[0]!.bell, 1);
  line.pass(SECOND);
  assert.equal(machine.back.books.heldBy(0), 3, 'which comes to light, and goes back');
  machine.check();
});
