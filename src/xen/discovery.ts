import type { BackendNode, FrontendNode, Offer, Seen } from './discovery-nodes.ts';

/**
 * How a front end and the back end find each other, decided purely: a state, an event in, a state and actions out. Who
 * reads and writes xenstore is in frontend-discovery.ts and backend-discovery.ts.
 *
 *     front end                                  back end
 *                                                InitWait        here, without an offer
 *     Initialising  makes grants and a channel
 *     Initialised   offers them           ─────▶ maps them, binds the channel
 *     Connected                           ◀───── Connected       takes the offer
 *     Closing       wants to go           ─────▶ unmaps, InitWait
 *     Closed        ends its grants       ◀─────
 *     Initialising  makes another offer   ◀───── Closing         let go of one that it had taken
 *
 * **Incarnations** tell a peer from its successor, and an offer from the next: each side writes its own beside the other's
 * that it speaks to, and believes only what is addressed to itself. So it does not matter who starts first, who was
 * killed, or in what order changes are seen. A back end has one from its start to its end; a front end takes a new one
 * with every offer.
 */

export interface FrontendState {
  readonly phase: 'waiting' | 'preparing' | 'offered' | 'connected' | 'closing' | 'closed';
  /** Of the offer that is being made; it grows by one with each. */
  readonly incarnation: number;
  /** The back end that it is made to; 0 for none. */
  readonly backend: number;
  readonly offer?: Offer;
  /** Why the back end does not take the offer. */
  readonly refusal?: string;
}

export type FrontendEvent =
  | { readonly kind: 'saw'; readonly backend: Seen<BackendNode> }
  | { readonly kind: 'prepared'; readonly incarnation: number; readonly offer: Offer }
  /** Another offer is to be made in place of this one, which was refused or is of no use. */
  | { readonly kind: 'again'; readonly incarnation: number }
  | { readonly kind: 'close' }
  /** The back end has had its time to let go: withdraws in any case. */
  | { readonly kind: 'abandon' };

export type FrontendAction =
  /** Allocate the grants and the channel of the offer `incarnation`, and answer with `prepared`. */
  | { readonly kind: 'prepare'; readonly incarnation: number }
  | { readonly kind: 'connected'; readonly incarnation: number }
  /** The offer is over: end its grants and close its channel, whether or not it had been taken. */
  | { readonly kind: 'withdraw'; readonly incarnation: number; readonly reason: string }
  | { readonly kind: 'refused'; readonly incarnation: number; readonly reason: string };

export interface Step<State, Action> {
  readonly state: State;
  readonly actions: readonly Action[];
}

/** @param incarnation another one at every start of the agent: a random number from 1 to 2^31. */
export const newFrontend = (incarnation: number): FrontendState => ({ phase: 'waiting', incarnation, backend: 0 });

/** What is to be seen of the state in xenstore. */
export function frontendNode({ phase, incarnation, backend, offer }: FrontendState): FrontendNode {
  const state = {
    waiting: 'initialising',
    preparing: 'initialising',
    offered: 'initialised',
    connected: 'connected',
    closing: 'closing',
    closed: 'closed',
  } as const;
  return { state: state[phase], incarnation, backendIncarnation: backend, ...(offer && { offer }) };
}

export function stepFrontend(state: FrontendState, event: FrontendEvent): Step<FrontendState, FrontendAction> {
  if (event.kind === 'saw') return frontendSaw(state, event.backend);
  const { incarnation } = state;
  if (event.kind === 'prepared') {
    if (state.phase === 'preparing' && event.incarnation === incarnation) {
      return { state: { ...state, phase: 'offered', offer: event.offer }, actions: [] };
    }
    const reason = 'the back end changed meanwhile';
    return { state, actions: [{ kind: 'withdraw', incarnation: event.incarnation, reason }] };
  }
  switch (event.kind) {
    case 'again':
      if (!stands(state) || event.incarnation !== incarnation) return { state, actions: [] };
      return anotherOffer(state, state.backend, 'another offer is made');
    case 'abandon': {
      const reason = 'closed, although the back end did not let go';
      const isOut = stands(state) || state.phase === 'closing';
      return { state: closed(state), actions: isOut ? [{ kind: 'withdraw', incarnation, reason }] : [] };
    }
    case 'close':
      if (stands(state)) return { state: { ...state, phase: 'closing' }, actions: [] };
      // What is being prepared is withdrawn when it comes.
      return { state: state.phase === 'closing' ? state : closed(state), actions: [] };
  }
}

const stands = ({ phase }: FrontendState): boolean => phase === 'offered' || phase === 'connected';

const over = (state: FrontendState, reason: string): FrontendAction[] =>
  stands(state) ? [{ kind: 'withdraw', incarnation: state.incarnation, reason }] : [];

function anotherOffer(state: FrontendState, backend: number, reason: string): Step<FrontendState, FrontendAction> {
  const incarnation = state.incarnation + 1;
  return {
    state: { phase: 'preparing', incarnation, backend },
    actions: [...over(state, reason), { kind: 'prepare', incarnation }],
  };
}

function frontendSaw(state: FrontendState, seen: Seen<BackendNode>): Step<FrontendState, FrontendAction> {
  const { phase, incarnation, backend } = state;
  const node = usable(seen, ['initWait', 'connected', 'closing']);
  const mine = node?.incarnation === backend && node.frontendIncarnation === incarnation ? node : undefined;
  const isTaken = mine?.state === 'connected';
  if (phase === 'closed') return { state, actions: [] };
  if (phase === 'closing') {
    if (isTaken) return { state, actions: [] };
    return { state: closed(state), actions: [{ kind: 'withdraw', incarnation, reason: 'closed' }] };
  }
  if (!node) {
    const waiting: FrontendState = { phase: 'waiting', incarnation, backend: 0 };
    return { state: backend === 0 ? state : waiting, actions: over(state, whyNot(seen, 'back end')) };
  }
  const isOver = (phase === 'connected' && !isTaken) || (phase === 'offered' && mine?.state === 'closing');
  if (node.incarnation !== backend || isOver) {
    const reason = node.incarnation === backend ? 'the back end ended the connection' : 'another back end is there';
    return anotherOffer(state, node.incarnation, reason);
  }
  if (phase !== 'offered') return { state, actions: [] };
  if (isTaken) {
    const { refusal: _, ...accepted } = state;
    return { state: { ...accepted, phase: 'connected' }, actions: [{ kind: 'connected', incarnation }] };
  }
  const refusal = mine?.refusal;
  if (refusal === undefined || refusal === state.refusal) return { state, actions: [] };
  return { state: { ...state, refusal }, actions: [{ kind: 'refused', incarnation, reason: refusal }] };
}

const closed = ({ incarnation }: FrontendState): FrontendState => ({ phase: 'closed', incarnation, backend: 0 });

export interface BackendState {
  readonly phase: 'ready' | 'connecting' | 'connected' | 'closed';
  readonly incarnation: number;
  /** Of the offer that is taken; 0 for none. */
  readonly frontend: number;
  readonly offer?: Offer;
  /** The offer that will not be taken (again), why, and whether it had been: then the front end is to make another. */
  readonly refused: { readonly frontend: number; readonly reason: string; readonly wasTaken: boolean };
}

export type BackendEvent =
  | { readonly kind: 'saw'; readonly frontend: Seen<FrontendNode> }
  | { readonly kind: 'mapped'; readonly frontend: number }
  | { readonly kind: 'unmappable'; readonly frontend: number; readonly reason: string }
  /** The front end's process is gone, as the kernel's notice of unmapping says, although its node says otherwise. */
  | { readonly kind: 'died'; readonly frontend: number; readonly reason: string }
  | { readonly kind: 'close' };

export type BackendAction =
  /** Map the pages and bind the channel; answer with `mapped` or `unmappable`. */
  | { readonly kind: 'connect'; readonly frontend: number; readonly offer: Offer }
  | { readonly kind: 'connected'; readonly frontend: number }
  /** Unmap and unbind. */
  | { readonly kind: 'disconnect'; readonly frontend: number; readonly reason: string };

const NOBODY = { frontend: 0, reason: '', wasTaken: false };

/** @param incarnation another one at every start of the agent: a random number from 1 to 2^31. */
export const newBackend = (incarnation: number): BackendState => ({
  phase: 'ready',
  incarnation,
  frontend: 0,
  refused: NOBODY,
});

export function backendNode({ phase, incarnation, frontend, refused }: BackendState): BackendNode {
  if (phase === 'connected') return { state: 'connected', incarnation, frontendIncarnation: frontend };
  if (phase === 'closed') return { state: 'closed', incarnation, frontendIncarnation: 0 };
  const refusal = refused.reason === '' ? {} : { refusal: refused.reason };
  const state = refused.wasTaken ? 'closing' : 'initWait';
  return { state, incarnation, frontendIncarnation: refused.frontend, ...refusal };
}

export function stepBackend(state: BackendState, event: BackendEvent): Step<BackendState, BackendAction> {
  const { phase, frontend } = state;
  switch (event.kind) {
    case 'saw':
      return backendSaw(state, event.frontend);
    case 'mapped':
      if (phase === 'connecting' && event.frontend === frontend) {
        return { state: { ...state, phase: 'connected' }, actions: [{ kind: 'connected', frontend }] };
      }
      return { state, actions: [{ kind: 'disconnect', frontend: event.frontend, reason: 'it was over meanwhile' }] };
    case 'unmappable':
      if (phase !== 'connecting' || event.frontend !== frontend) return { state, actions: [] };
      return { state: ready(state, { frontend, reason: event.reason, wasTaken: false }), actions: [] };
    case 'died':
      if (frontend === 0 || event.frontend !== frontend) return { state, actions: [] };
      return leave(state, event.reason, { frontend, reason: event.reason, wasTaken: true });
    case 'close': {
      const { state: left, actions } = leave(state, 'closed', NOBODY);
      return { state: { ...left, phase: 'closed' }, actions };
    }
  }
}

function backendSaw(state: BackendState, seen: Seen<FrontendNode>): Step<BackendState, BackendAction> {
  const { phase, incarnation, frontend, refused } = state;
  if (phase === 'closed') return { state, actions: [] };
  const node = usable(seen, ['initialised', 'connected']);
  if (frontend !== 0) {
    const broken = whyBroken(node, seen, state);
    if (broken === undefined) return { state, actions: [] };
    // An offer is taken once. A front end that is still there makes another.
    const left = leave(state, broken, { frontend, reason: broken, wasTaken: true });
    const then = backendSaw(left.state, seen);
    return { state: then.state, actions: [...left.actions, ...then.actions] };
  }
  if (seen.kind === 'unusable' && refused.frontend === 0) {
    return { state: { ...state, refused: { ...NOBODY, reason: seen.reason } }, actions: [] };
  }
  const isOffered = node?.state === 'initialised' && node.backendIncarnation === incarnation;
  if (!isOffered || !node.offer || node.incarnation === refused.frontend) {
    // What was unusable and is no more needs no refusal any longer.
    return { state: refused.frontend === 0 ? { ...state, refused: NOBODY } : state, actions: [] };
  }
  return {
    state: { ...state, phase: 'connecting', frontend: node.incarnation, offer: node.offer, refused: NOBODY },
    actions: [{ kind: 'connect', frontend: node.incarnation, offer: node.offer }],
  };
}

/** Why an offer that was taken no longer holds, or `undefined`. */
function whyBroken(node: FrontendNode | undefined, seen: Seen<FrontendNode>, state: BackendState): string | undefined {
  if (!node) return whyNot(seen, 'front end');
  if (node.incarnation !== state.frontend) return 'the front end made another offer';
  if (node.backendIncarnation !== state.incarnation) return 'the front end speaks to another back end';
  return sameOffer(node.offer, state.offer) ? undefined : 'the front end changed an offer that was taken';
}

const sameOffer = (one: Offer | undefined, other: Offer | undefined): boolean =>
  one !== undefined &&
  other !== undefined &&
  one.eventChannel === other.eventChannel &&
  one.grantRefs.length === other.grantRefs.length &&
  one.grantRefs.every((ref, index) => ref === other.grantRefs[index]);

const ready = ({ incarnation }: BackendState, refused: BackendState['refused']): BackendState => ({
  phase: 'ready',
  incarnation,
  frontend: 0,
  refused,
});

function leave(
  state: BackendState,
  reason: string,
  refused: BackendState['refused'],
): Step<BackendState, BackendAction> {
  const { frontend } = state;
  return { state: ready(state, refused), actions: frontend === 0 ? [] : [{ kind: 'disconnect', frontend, reason }] };
}

function usable<Node extends { readonly state: string }>(
  seen: Seen<Node>,
  states: readonly Node['state'][],
): Node | undefined {
  return seen.kind === 'node' && states.includes(seen.node.state) ? seen.node : undefined;
}

function whyNot(seen: Seen<{ readonly state: string }>, who: string): string {
  if (seen.kind === 'absent') return `the ${who} is gone`;
  return seen.kind === 'unusable' ? `the ${who} wrote nonsense: ${seen.reason}` : `the ${who} is ${seen.node.state}`;
}
