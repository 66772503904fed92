import { SESSION_SLOTS } from '../control/layout.ts';
import { type BurstStages, TIERS } from '../records.ts';
import { bytes as asBytes, micros } from '../units.ts';
import type { BurstTold, CallId, SessionCall, SessionFailure } from './session-protocol.ts';

/**
 * Reads what an application says on the socket. All of it is hostile until it has been through here: each field is
 * checked and copied, and what is not known is left behind. By hand, since this runs in the agent for every call.
 */
export const DEFAULT_DEADLINE_MILLIS = 200;
export const MAX_DEADLINE_MILLIS = 60_000;
const MAX_ID_CHARS = 64;
const MAX_PID = 2 ** 22; // PID_MAX_LIMIT of 64-bit Linux
const MAX_WORD_CHARS = 64;

type Told = Readonly<Record<string, unknown>>;

/** A call that was not understood: what was wrong with it. */
class Misread extends Error {
  readonly expected: string;

  constructor(field: string, expected: string, told: unknown) {
    super(`"${field}" is ${told === undefined ? 'missing' : `not ${excerpt(told)}`}`);
    this.expected = expected;
  }
}

/** @returns the call, or what to answer to one that cannot be understood. Never throws. */
export function readCall(told: Told): SessionCall | SessionFailure {
  const { op } = told;
  const read = typeof op === 'string' && Object.hasOwn(READERS, op) ? READERS[op as SessionCall['op']] : undefined;
  if (!read) {
    return { ok: false, error: `unknown op ${excerpt(op)}`, expected: `one of ${Object.keys(READERS).join(', ')}` };
  }
  try {
    return read(told);
  } catch (error) {
    if (!(error instanceof Misread)) throw error;
    return { ok: false, error: `${op}: ${error.message}`, expected: error.expected };
  }
}

/** The `id` of a call: undefined when it has none, `false` when it is no id. */
export function readId({ id }: Told): CallId | undefined | false {
  if (id === undefined || Number.isFinite(id)) return id as CallId | undefined;
  return typeof id === 'string' && id.length <= MAX_ID_CHARS && id;
}

const READERS: { readonly [Op in SessionCall['op']]: (told: Told) => SessionCall & { readonly op: Op } } = {
  hello: (told) => ({
    op: 'hello',
    version: whole(told, 'version', 1, 2 ** 31 - 1),
    pid: told.pid === undefined ? 0 : whole(told, 'pid', 1, MAX_PID),
    ...(told.session === undefined ? {} : { session: whole(told, 'session', 1, SESSION_SLOTS - 1) }),
    locks: told.locks === undefined ? 'agent' : oneOf(told, 'locks', ['client', 'agent'] as const),
  }),
  ready: () => ({ op: 'ready' }),
  borrow: (told) => ({
    op: 'borrow',
    bytes: whole(told, 'bytes', 1, Number.MAX_SAFE_INTEGER),
    deadline_ms:
      told.deadline_ms === undefined ? DEFAULT_DEADLINE_MILLIS : measure(told, 'deadline_ms', MAX_DEADLINE_MILLIS),
    revocable: flag(told, 'revocable'),
    contiguous: flag(told, 'contiguous'),
  }),
  release: (told) => ({ op: 'release', lease: whole(told, 'lease', 1, Number.MAX_SAFE_INTEGER) }),
  bye: () => ({ op: 'bye' }),
  burst: (told) => ({ op: 'burst', burst: readBurst(inner(told, 'burst')) }),
  program: (told) => ({
    op: 'program',
    pid: whole(told, 'pid', 1, MAX_PID),
    ...(flag(told, 'ended') ? { ended: true } : {}),
  }),
  status: () => ({ op: 'status' }),
};

const STAGES = [
  ...['detectMicros', 'notifyMicros', 'decideMicros', 'releaseMicros', 'populateMicros', 'touchMicros'],
] as (keyof BurstStages)[];

function readBurst(told: Told): BurstTold {
  const tiers = inner(told, 'tierBytes');
  const stages = inner(told, 'stages');
  const { refusal } = told;
  if (refusal !== undefined && (typeof refusal !== 'string' || refusal.length > MAX_WORD_CHARS)) {
    throw new Misread('refusal', `a word of at most ${MAX_WORD_CHARS} characters`, refusal);
  }
  return {
    atMicros: micros(measure(told, 'atMicros')),
    requestedBytes: asBytes(whole(told, 'requestedBytes', 1, Number.MAX_SAFE_INTEGER)),
    tierBytes: {
      reserve: measure(tiers, TIERS[0]),
      pool: measure(tiers, TIERS[1]),
      peer: measure(tiers, TIERS[2]),
    },
    outcome: oneOf(told, 'outcome', ['served', 'refused'] as const),
    ...(refusal === undefined ? {} : { refusal }),
    stages: Object.fromEntries(
      STAGES.filter((stage) => stages[stage] !== undefined).map((stage) => [stage, measure(stages, stage)]),
    ),
    totalMicros: measure(told, 'totalMicros'),
    idleBytes: asBytes(whole(told, 'idleBytes', 0, Number.MAX_SAFE_INTEGER)),
  };
}

function whole(told: Told, field: string, least: number, most: number): number {
  const value = told[field];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new Misread(field, `a whole number from ${least} to ${most}`, value);
}

function measure(told: Told, field: string, most = Number.MAX_VALUE): number {
  const value = told[field];
  if (typeof value === 'number' && value >= 0 && value <= most) return value;
  throw new Misread(field, most === Number.MAX_VALUE ? 'a number of 0 or more' : `a number from 0 to ${most}`, value);
}

function flag(told: Told, field: string): boolean {
  const value = told[field];
  if (value === undefined || typeof value === 'boolean') return value === true;
  throw new Misread(field, 'true or false', value);
}

function oneOf<Word extends string>(told: Told, field: string, words: readonly Word[]): Word {
  const value = told[field];
  if (words.includes(value as Word)) return value as Word;
  throw new Misread(field, words.map((word) => `"${word}"`).join(' or '), value);
}

function inner(told: Told, field: string): Told {
  const value = told[field];
  if (typeof value === 'object' && value !== null) return value as Told;
  throw new Misread(field, 'an object', value);
}

/** A value as it was told, short enough for a message. */
const excerpt = (value: unknown): string => JSON.stringify(value ?? null).slice(0, 40);
