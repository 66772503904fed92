/**
 * What a front end and the back end tell each other in xenstore, as text and back. Xen's split drivers do it so: each side
 * writes a node of its own, reads and watches the other's, and `state` goes through XenbusState.
 *
 *     front end, in the guest, which owns it            back end, readable by that guest alone
 *     /local/domain/5/data/memtide                      /local/domain/0/data/memtide/5
 *       state                3                            state                 4
 *       protocol             1                            protocol              1
 *       incarnation          7120   of this offer         incarnation           66
 *       backend-incarnation  66     whom it is made to    frontend-incarnation  7120  whose offer is taken
 *       grant-refs           8-23   of the control file   refusal               why an offer is not taken
 *       event-channel        12     of the doorbell         arena                32 21 16  chunks, and log2 of chunk and block
 *
 * Not below `device/` and `backend/`: those belong to the kernels' xenbus drivers, which take what appears there for a
 * device of theirs. `data/` is the guest's to write (tools/libs/light/libxl_create.c).
 *
 * The guest may write anything. Every field is bounded before it is used.
 */
import { BLOCK_SHIFT, type Geometry, MAX_CHUNKS } from '../control/layout.ts';

/** Of what is told by these nodes, and of what lies on the granted pages. */
export const PROTOCOL = 1;

/** Xen, public/io/xenbus.h. */
export const XENBUS_STATE = {
  unknown: 0,
  initialising: 1,
  initWait: 2,
  initialised: 3,
  connected: 4,
  closing: 5,
  closed: 6,
} as const;
export type XenbusState = keyof typeof XENBUS_STATE;

/** What the back end needs to map the control file and to ring. */
export interface Offer {
  /** One a page of the control file, in its order. */
  readonly grantRefs: readonly number[];
  /** The guest's unbound port. */
  readonly eventChannel: number;
}

export interface FrontendNode {
  readonly state: XenbusState;
  readonly incarnation: number;
  /** 0 for none. */
  readonly backendIncarnation: number;
  readonly offer?: Offer;
}

export interface BackendNode {
  readonly state: XenbusState;
  readonly incarnation: number;
  /** 0 for none. */
  readonly frontendIncarnation: number;
  readonly refusal?: string;
  /** Of the arena that it lends from, and so of the control file that is to be offered. */
  readonly arena?: Geometry;
}

/** What was found at the other side's node. */
export type Seen<Node> =
  | { readonly kind: 'node'; readonly node: Node }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unusable'; readonly reason: string };

export type Fields = Readonly<Record<string, string>>;
export type FoundFields = Readonly<Record<string, string | undefined>>;

export const frontendPath = (domid: number): string => `/local/domain/${domid}/data/memtide`;
export const backendPath = (backendDomid: number, frontendDomid: number): string =>
  `${frontendPath(backendDomid)}/${frontendDomid}`;

export const FRONTEND_FIELDS = [
  'state',
  'protocol',
  'incarnation',
  'backend-incarnation',
  'grant-refs',
  'event-channel',
] as const;
export const BACKEND_FIELDS = ['state', 'protocol', 'incarnation', 'frontend-incarnation', 'refusal', 'arena'] as const;

/** gntalloc's default limit; with the table of grants, that many pages carry an arena of about 4 GiB. */
export const MAX_GRANT_REFS = 1024;
/** A guest's node holds 2048 bytes with its header and permissions (xenstored's default quota). */
const MAX_GRANT_REFS_BYTES = 1900;
const U32_MAX = 0xffff_ffff;
/** EVTCHN_FIFO_NR_CHANNELS - 1: Xen, public/event_channel.h. */
const MAX_PORT = (1 << 17) - 1;
const MAX_REFUSAL_CHARACTERS = 200;

export function frontendFields({ state, incarnation, backendIncarnation, offer }: FrontendNode): Fields {
  return {
    state: String(XENBUS_STATE[state]),
    protocol: String(PROTOCOL),
    incarnation: String(incarnation),
    'backend-incarnation': String(backendIncarnation),
    ...(offer && { 'grant-refs': formatRanges(offer.grantRefs), 'event-channel': String(offer.eventChannel) }),
  };
}

export function backendFields({ state, incarnation, frontendIncarnation, refusal, arena }: BackendNode): Fields {
  return {
    state: String(XENBUS_STATE[state]),
    protocol: String(PROTOCOL),
    incarnation: String(incarnation),
    'frontend-incarnation': String(frontendIncarnation),
    ...(refusal !== undefined && { refusal: printable(refusal) }),
    ...(arena && { arena: `${arena.chunkCount} ${arena.chunkShift} ${arena.blockShift}` }),
  };
}

/** @returns why an offer cannot be written, or `undefined`. */
export function offerProblem({ grantRefs, eventChannel }: Offer): string | undefined {
  if (grantRefs.length === 0 || grantRefs.length > MAX_GRANT_REFS) return `${grantRefs.length} pages`;
  const bytes = formatRanges(grantRefs).length;
  if (bytes > MAX_GRANT_REFS_BYTES) return `grants so scattered that their list has ${bytes} bytes`;
  return eventChannel > 0 && eventChannel <= MAX_PORT ? undefined : `event channel ${eventChannel}`;
}

export function parseFrontend(found: FoundFields): Seen<FrontendNode> {
  return parsed(found, (state, incarnation) => {
    const backendIncarnation = number(found, 'backend-incarnation', 0, U32_MAX);
    const hasOffer = found['grant-refs'] !== undefined || found['event-channel'] !== undefined;
    return {
      state,
      incarnation,
      backendIncarnation,
      ...(hasOffer && {
        offer: {
          grantRefs: ranges(found['grant-refs'] ?? ''),
          eventChannel: number(found, 'event-channel', 1, MAX_PORT),
        },
      }),
    };
  });
}

export function parseBackend(found: FoundFields): Seen<BackendNode> {
  return parsed(found, (state, incarnation) => ({
    state,
    incarnation,
    frontendIncarnation: number(found, 'frontend-incarnation', 0, U32_MAX),
    ...(found.refusal !== undefined && { refusal: printable(found.refusal) }),
    ...(found.arena !== undefined && { arena: geometry(found.arena) }),
  }));
}

function geometry(text: string): Geometry {
  const match = /^([1-9]\d{0,4}) (\d\d) (\d\d)$/.exec(text);
  const [chunkCount, chunkShift, blockShift] = (match ?? []).slice(1).map(Number) as [number, number, number];
  const fits = chunkCount <= MAX_CHUNKS && chunkShift >= 18 && chunkShift <= 23 && blockShift === BLOCK_SHIFT;
  if (!fits) throw new Unusable(`arena is ${quoted(text)}, not the sizes of one`);
  return { chunkCount, chunkShift, blockShift };
}

class Unusable extends Error {}

function parsed<Node>(found: FoundFields, rest: (state: XenbusState, incarnation: number) => Node): Seen<Node> {
  if (found.state === undefined) return { kind: 'absent' };
  try {
    const protocol = number(found, 'protocol', 0, U32_MAX);
    // First, since another protocol may mean other things by the other fields.
    if (protocol !== PROTOCOL) throw new Unusable(`protocol is ${protocol}, and this side speaks ${PROTOCOL}`);
    const code = number(found, 'state', 0, XENBUS_STATE.closed);
    const state = (Object.keys(XENBUS_STATE) as XenbusState[]).find((name) => XENBUS_STATE[name] === code)!;
    return { kind: 'node', node: rest(state, number(found, 'incarnation', 1, U32_MAX)) };
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return { kind: 'unusable', reason: error.message };
  }
}

function number(found: FoundFields, name: string, least: number, most: number): number {
  const text = found[name];
  if (text === undefined) throw new Unusable(`${name} is missing`);
  const value = /^(?:0|[1-9]\d{0,9})$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new Unusable(`${name} is ${quoted(text)}, not a number from ${least} to ${most}`);
}

/** `8-10,20` for 8, 9, 10, 20. The order is kept. */
export function formatRanges(refs: readonly number[]): string {
  const runs: Array<[first: number, last: number]> = [];
  for (const ref of refs) {
    const run = runs.at(-1);
    if (run && ref === run[1] + 1) run[1] = ref;
    else runs.push([ref, ref]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

function ranges(text: string): number[] {
  const refs = new Set<number>();
  if (text.length > MAX_GRANT_REFS_BYTES) throw new Unusable(`grant-refs has ${text.length} characters`);
  for (const run of text.split(',')) {
    const match = /^([1-9]\d{0,9})(?:-([1-9]\d{0,9}))?$/.exec(run);
    const first = Number(match?.[1]);
    const last = match?.[2] === undefined ? first : Number(match[2]);
    const count = last - first + 1;
    if (!match || count < 1 || last > U32_MAX) throw new Unusable(`grant-refs has ${quoted(run)}`);
    if (refs.size + count > MAX_GRANT_REFS) throw new Unusable(`grant-refs names more than ${MAX_GRANT_REFS} pages`);
    for (let ref = first; ref <= last; ref++) {
      if (refs.has(ref)) throw new Unusable(`grant-refs names ${ref} twice`);
      refs.add(ref);
    }
  }
  return [...refs];
}

/** What a peer wrote goes into logs: short, and nothing but printable ASCII. */
const printable = (text: string): string => text.slice(0, MAX_REFUSAL_CHARACTERS).replace(/[^ -~]/g, '?');
const quoted = (text: string): string => JSON.stringify(printable(text.slice(0, 24)));
