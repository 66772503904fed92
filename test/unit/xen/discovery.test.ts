/** Front end and back end without xenstore: two states, two nodes, and every order of events that fast-check finds. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type BackendAction,
  type BackendEvent,
  type BackendState,
  backendNode,
  type FrontendAction,
  type FrontendEvent,
  type FrontendState,
  frontendNode,
  newBackend,
  newFrontend,
  stepBackend,
  stepFrontend,
} from '../../../src/xen/discovery.ts';
import type { BackendNode, FrontendNode, Offer, Seen } from '../../../src/xen/discovery-nodes.ts';

const offerOf = (incarnation: number): Offer => ({ grantRefs: [incarnation], eventChannel: 1 + (incarnation % 1000) });

/** Both sides with what they hold; each acts only when it is told to. */
class Pair {
  front: FrontendState = newFrontend(100);
  back: BackendState = newBackend(5);
  /** What stands in xenstore: it outlives whoever wrote it. */
  frontNode: Seen<FrontendNode> = { kind: 'absent' };
  backNode: Seen<BackendNode> = { kind: 'absent' };
  /** Offers whose grants exist, and the one that is mapped. */
  readonly granted = new Set<number>();
  mapped: number | undefined;
  readonly everMapped = new Set<number>();
  readonly log: string[] = [];
  mapFails = false;

  frontLooks(): void {
    this.frontSteps({ kind: 'saw', backend: this.backNode });
    if (this.front.phase === 'preparing') {
      const { incarnation } = this.front;
      this.granted.add(incarnation);
      this.frontSteps({ kind: 'prepared', incarnation, offer: offerOf(incarnation) });
    }
    this.frontPublishes();
  }

  backLooks(): void {
    this.backSteps({ kind: 'saw', frontend: this.frontNode });
    this.backPublishes();
  }

  frontOffersAgain(incarnation = this.front.incarnation): void {
    this.frontSteps({ kind: 'again', incarnation });
    this.frontPublishes(); // that the last one is over
    this.frontLooks();
  }

  frontCloses(): void {
    this.frontSteps({ kind: 'close' });
    this.frontPublishes();
  }

  backDies(): void {
    this.mapped = undefined;
    this.back = newBackend(this.back.incarnation + 1000);
  }

  frontDies(): void {
    this.granted.clear();
    this.front = newFrontend(this.front.incarnation + 1000);
  }

  settle(): void {
    for (let turn = 0; turn < 8; turn++) {
      this.backLooks();
      this.frontLooks();
    }
  }

  frontPublishes(): void {
    this.frontNode = { kind: 'node', node: frontendNode(this.front) };
  }

  backPublishes(): void {
    this.backNode = { kind: 'node', node: backendNode(this.back) };
  }

  frontSteps(event: FrontendEvent): void {
    const { state, actions } = stepFrontend(this.front, event);
    this.front = state;
    for (const action of actions) this.#frontActs(action);
  }

  backSteps(event: BackendEvent): void {
    const { state, actions } = stepBackend(this.back, event);
    this.back = state;
    for (const action of actions) this.#backActs(action);
  }

  #frontActs(action: FrontendAction): void {
    this.log.push(`front ${action.kind}${'reason' in action ? `: ${action.reason}` : ''}`);
    if (action.kind === 'connected') {
      assert.ok(this.everMapped.has(action.incarnation), 'is connected by its own offer');
    } else if (action.kind === 'withdraw') {
      assert.ok(this.granted.delete(action.incarnation), 'withdraws what it had granted');
    }
  }

  #backActs(action: BackendAction): void {
    const { kind, frontend } = action;
    this.log.push(`back ${kind}${'reason' in action ? `: ${action.reason}` : ''}`);
    if (kind === 'connect') {
      assert.equal(this.mapped, undefined, 'maps one at a time');
      assert.deepEqual(action.offer, offerOf(frontend), 'maps what that front end offered');
      if (this.mapFails || !this.granted.has(frontend)) {
        this.backSteps({ kind: 'unmappable', frontend, reason: 'no such grant' });
      } else {
        // Its event channel can be bound once only.
        assert.ok(!this.everMapped.has(frontend), 'takes no offer that was made to another back end');
        this.everMapped.add(frontend);
        this.mapped = frontend;
        this.backSteps({ kind: 'mapped', frontend });
      }
    } else if (kind === 'disconnect') {
      assert.equal(this.mapped, frontend, 'unmaps what is mapped');
      this.mapped = undefined;
    }
  }
}

describe('front end and back end', () => {
  it('connect, whoever looks first', () => {
    for (const first of ['frontLooks', 'backLooks'] as const) {
      const pair = new Pair();
      pair[first]();
      pair.settle();
      assert.deepEqual([pair.front.phase, pair.back.phase, pair.mapped], ['connected', 'connected', 101]);
      assert.deepEqual(pair.log, ['front prepare', 'back connect', 'back connected', 'front connected']);
    }
  });

  it('connect anew when the back end was killed', () => {
    const pair = new Pair();
    pair.settle();
    pair.backDies();
    pair.settle();
    assert.deepEqual([pair.front.phase, pair.back.phase, pair.mapped], ['connected', 'connected', 102]);
    assert.ok(pair.log.includes('front withdraw: another back end is there'));
    assert.deepEqual([...pair.granted], [102]);
  });

  it('connect anew when the front end was killed', () => {
    const pair = new Pair();
    pair.settle();
    pair.frontDies();
    pair.settle();
    assert.deepEqual([pair.front.phase, pair.back.phase, pair.mapped], ['connected', 'connected', 1102]);
    assert.ok(pair.log.includes('back disconnect: the front end made another offer'));
  });

  it('connect anew when the back end took the front end for dead', () => {
    const pair = new Pair();
    pair.settle();
    pair.backSteps({ kind: 'died', frontend: 101, reason: 'unmapped' });
    pair.backLooks();
    assert.equal(pair.back.phase, 'ready'); // its old offer still stands there, and is not taken again
    pair.settle();
    assert.deepEqual([pair.front.phase, pair.back.phase, pair.mapped], ['connected', 'connected', 102]);
  });

  it('connect anew when the front end was taken for dead before it had seen that it is connected', () => {
    const pair = new Pair();
    pair.backLooks();
    pair.frontLooks();
    pair.backLooks();
    pair.backSteps({ kind: 'died', frontend: 101, reason: 'silence' });
    pair.settle();
    assert.deepEqual([pair.front.phase, pair.back.phase, pair.mapped], ['connected', 'connected', 102]);
  });

  it('take nothing that was meant for a predecessor', () => {
    const pair = new Pair();
    pair.backLooks();
    pair.frontLooks();
    pair.backDies();
    pair.backLooks(); // an offer stands there, to the back end before
    assert.deepEqual([pair.back.phase, pair.mapped], ['ready', undefined]);
    pair.settle();
    pair.frontDies();
    pair.frontLooks();
    pair.frontLooks(); // the back end is connected still, to the front end before
    assert.equal(pair.front.phase, 'offered');
    pair.settle();
    assert.deepEqual([pair.front.phase, pair.mapped], ['connected', pair.front.incarnation]);
  });

  it('part when the front end closes: it ends its grants once they are unmapped', () => {
    const pair = new Pair();
    pair.settle();
    pair.frontCloses();
    pair.frontLooks();
    assert.deepEqual([pair.front.phase, pair.granted.has(101)], ['closing', true]);
    pair.settle();
    assert.deepEqual([pair.front.phase, pair.back.phase, pair.mapped], ['closed', 'ready', undefined]);
    assert.equal(pair.granted.size, 0);
    assert.deepEqual(pair.log.slice(-2), ['back disconnect: the front end is closing', 'front withdraw: closed']);
  });

  it('part when the back end closes: the front end waits for another', () => {
    const pair = new Pair();
    pair.settle();
    pair.backSteps({ kind: 'close' });
    pair.backPublishes();
    pair.settle();
    assert.deepEqual([pair.front.phase, pair.back.phase, pair.mapped], ['waiting', 'closed', undefined]);
    assert.ok(pair.log.includes('front withdraw: the back end is closed'));
  });

  it('tell why an offer is not taken, once, and connect by another one when there is', () => {
    const pair = new Pair();
    pair.mapFails = true;
    pair.settle();
    assert.deepEqual(pair.log, ['front prepare', 'back connect', 'front refused: no such grant']);
    assert.equal(pair.front.phase, 'offered');
    pair.frontOffersAgain();
    pair.settle();
    assert.equal(pair.log.at(-1), 'front refused: no such grant');
    pair.mapFails = false;
    pair.frontOffersAgain();
    pair.settle();
    assert.deepEqual([pair.front.phase, pair.back.phase, pair.mapped], ['connected', 'connected', 103]);
    assert.deepEqual([...pair.granted], [103]);
  });

  it('part when the front end is closed and the back end lets go of nothing', () => {
    const pair = new Pair();
    pair.settle();
    pair.frontCloses();
    for (let times = 0; times < 2; times++) pair.frontSteps({ kind: 'abandon' });
    pair.frontLooks();
    assert.deepEqual([pair.front.phase, pair.granted.size], ['closed', 0]);
    assert.match(pair.log.at(-1)!, /withdraw: closed, although the back end did not let go/);
    pair.backLooks();
    assert.equal(pair.mapped, undefined);
  });

  const changes: ReadonlyArray<readonly [name: string, change: Partial<FrontendNode>, says: RegExp]> = [
    ['other pages', { offer: { grantRefs: [999], eventChannel: 102 } }, /changed an offer that was taken/],
    ['another channel', { offer: { grantRefs: [101], eventChannel: 7 } }, /changed an offer that was taken/],
    ['another incarnation', { incarnation: 8 }, /made another offer/],
    ['another back end', { backendIncarnation: 8 }, /speaks to another back end/],
    ['an earlier state', { state: 'initialising' }, /is initialising/],
  ];
  for (const [name, change, says] of changes) {
    it(`part when the guest writes ${name} into its node`, () => {
      const pair = new Pair();
      pair.settle();
      const honest = pair.frontNode as Extract<typeof pair.frontNode, { kind: 'node' }>;
      pair.frontNode = { kind: 'node', node: { ...honest.node, ...change } };
      pair.backLooks();
      assert.equal(pair.mapped, undefined);
      assert.match(pair.log.at(-1)!, says);
    });
  }

  it('part when the guest writes nonsense, and say so in the back end’s node until it is mended', () => {
    const pair = new Pair();
    pair.settle();
    pair.frontNode = { kind: 'unusable', reason: 'state is "x"' };
    pair.backLooks();
    assert.match(pair.log.at(-1)!, /disconnect: the front end wrote nonsense: state is "x"/);
    assert.match(backendNode(pair.back).refusal ?? '', /state is "x"/);
    pair.frontPublishes();
    pair.settle();
    assert.deepEqual([pair.front.phase, backendNode(pair.back).refusal], ['connected', undefined]);
  });

  it('end up connected after any mishaps in any order, with nothing mapped or granted besides', () => {
    const mishap = fc.constantFrom(
      ...(['frontLooks', 'backLooks', 'frontDies', 'backDies', 'falseDeath', 'nonsense', 'removed', 'again'] as const),
    );
    fc.assert(
      fc.property(fc.array(mishap, { maxLength: 40 }), (mishaps) => {
        const pair = new Pair();
        for (const what of mishaps) {
          if (what === 'falseDeath') {
            pair.backSteps({ kind: 'died', frontend: pair.back.frontend, reason: 'silence' });
          } else if (what === 'nonsense') {
            pair.frontNode = { kind: 'unusable', reason: 'nonsense' };
          } else if (what === 'removed') {
            pair.frontNode = { kind: 'absent' };
          } else if (what === 'again') {
            pair.frontOffersAgain();
          } else {
            pair[what]();
          }
          if (pair.front.phase === 'connected' && pair.mapped !== undefined && pair.back.phase === 'connected') {
            assert.equal(pair.back.frontend, pair.mapped);
          }
        }
        // A front end that was connected has its node read as it left it: it writes again what somebody removed.
        pair.frontPublishes();
        pair.settle();
        assert.deepEqual([pair.front.phase, pair.back.phase], ['connected', 'connected']);
        assert.equal(pair.mapped, pair.front.incarnation);
        assert.deepEqual([...pair.granted], [pair.front.incarnation]);
      }),
      { numRuns: 2000 },
    );
  });
});
