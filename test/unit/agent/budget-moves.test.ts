/**
 * A budget moves between a back end and an agent over a link that loses, doubles and reorders, while either side is started
 * anew: the back end never counts less than the programs may hold, and no move is made twice.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BudgetAccount } from '../../../src/agent/budget-account.ts';
import { BudgetAnswers, type Moved } from '../../../src/agent/budget-answers.ts';

const START = 100;
const TOTAL = 10 * START;

/** What an agent says of its limit, and when it said so. */
interface Said {
  readonly life: string;
  readonly limit: number;
  readonly lastId: number;
}

class Line {
  backLife = 1;
  agentLife = 1;
  account = new BudgetAccount(START, TOTAL);
  answers = new BudgetAnswers();
  /** What the programs may really hold. */
  real = START;
  /** What a killed back end leaves: it writes each change down before it is told. */
  written = START;
  notices: { life: string; id: number; change: number }[] = [];
  moved: { life: string; moved: Moved }[] = [];
  reports: Said[] = [];
  made = new Set<string>();
  nextId = 1;
  now = 0;
  forgetful = false;

  constructor() {
    this.answers.meet(this.backLife);
  }

  get life(): string {
    return `${this.backLife}/${this.agentLife}`;
  }

  ask(change: number): void {
    if (this.account.open) return;
    this.account.begin(this.nextId, change, this.now);
    this.written = this.account.limit;
    this.notices.push({ life: this.life, id: this.nextId++, change });
  }

  pass(): void {
    this.now += 600_000;
    const move = this.account.due(this.now);
    if (move) this.notices.push({ life: this.life, id: move.id, change: move.changeBytes });
  }

  /** The link's order: nothing of another life is heard. */
  hearNotice({ life, id, change }: Line['notices'][number], grants: number): void {
    if (life !== this.life) return;
    if (this.forgetful) this.answers = new BudgetAnswers();
    const moved = this.answers.answer(id, () => {
      const key = `${life} ${id}`;
      assert.ok(this.forgetful || !this.made.has(key), 'a move was made twice');
      this.made.add(key);
      const before = this.real;
      // A program may hold on to a part of what it is to give, and a rise may be refused.
      this.real = Math.max(0, before + Math.trunc((change * grants) / 4));
      return { op: 'moved', id, changeBytes: this.real - before, limitBytes: this.real };
    });
    if (moved) this.moved.push({ life: this.life, moved });
  }

  hearMoved({ life, moved }: Line['moved'][number]): void {
    if (life === this.life) this.account.answered(moved.id, moved.changeBytes, moved.limitBytes);
    this.written = this.account.limit;
  }

  report(): void {
    this.reports.push({ life: this.life, limit: this.real, lastId: this.answers.lastId });
  }

  hearReport({ life, limit, lastId }: Said): void {
    if (life === this.life) this.account.reported(limit, lastId);
    this.written = this.account.limit;
  }

  newBack(): void {
    this.backLife++;
    this.account = new BudgetAccount(this.written, TOTAL);
    this.account.joined(this.real);
    this.answers.meet(this.backLife);
    this.nextId = 1;
  }

  /** The link to the same two breaks and stands again. */
  rejoin(): void {
    this.account.joined(this.real);
    this.answers.meet(this.backLife);
  }

  newAgent(): void {
    this.agentLife++;
    this.account.joined(undefined);
    this.real = this.account.limit; // as the welcome says
    this.answers = new BudgetAnswers();
    this.answers.meet(this.backLife);
  }

  check(): void {
    assert.ok(this.account.limit >= this.real, `counted ${this.account.limit}, held ${this.real}`);
  }
}

const step = fc.oneof(
  fc.record({ kind: fc.constant('ask' as const), change: fc.integer({ min: -40, max: 40 }).filter((by) => by !== 0) }),
  fc.record({ kind: fc.constantFrom('pass', 'report', 'newBack', 'newAgent', 'rejoin') }),
  fc.record({
    kind: fc.constantFrom('notice', 'moved', 'said'),
    which: fc.nat(9),
    grants: fc.integer({ min: 0, max: 4 }),
    again: fc.boolean(),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

function take<Item>(queue: Item[], { which, again }: { which: number; again: boolean }): Item | undefined {
  const item = queue[which % Math.max(1, queue.length)];
  if (item && !again) queue.splice(queue.indexOf(item), 1);
  return item;
}

function run(line: Line, steps: readonly Step[]): void {
  for (const happens of steps) {
    if ('change' in happens) line.ask(happens.change);
    else if ('which' in happens) {
      if (happens.kind === 'notice') {
        const notice = take(line.notices, happens);
        if (notice) line.hearNotice(notice, happens.grants);
      } else if (happens.kind === 'moved') {
        const moved = take(line.moved, happens);
        if (moved) line.hearMoved(moved);
      } else {
        const said = take(line.reports, happens);
        if (said) line.hearReport(said);
      }
    } else line[happens.kind as 'pass' | 'report' | 'newBack' | 'newAgent' | 'rejoin']();
    line.check();
  }
}

test('however messages are lost, doubled and reordered, the back end counts at least what the programs may hold', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => run(new Line(), steps)),
    { numRuns: 1000 },
  );
});

test('a move whose answer was lost is told again, answered as before, and is over then', () => {
  const line = new Line();
  line.ask(-40);
  line.hearNotice(line.notices.shift()!, 4);
  line.moved.length = 0; // lost
  assert.equal(line.account.limit, START);
  line.pass();
  line.hearNotice(line.notices.shift()!, 0);
  line.hearMoved(line.moved.shift()!);
  assert.deepEqual([line.account.limit, line.real, line.account.open], [60, 60, undefined]);
});

test('a report that a move has overtaken frees nothing', () => {
  const line = new Line();
  line.report();
  line.ask(40);
  line.hearNotice(line.notices.shift()!, 4);
  line.hearMoved(line.moved.shift()!);
  line.hearReport(line.reports.shift()!);
  assert.equal(line.account.limit, 140);
});

test('sabotage: an agent that forgets its answers makes a move twice', () => {
  const line = new Line();
  line.forgetful = true;
  line.ask(40);
  const notice = line.notices[0]!;
  line.hearNotice(notice, 4);
  line.hearNotice(notice, 4);
  assert.throws(() => line.check());
});
