import type { BackendCall, BackendNotice } from './agent-protocol.ts';
import type { CoordinationFields } from './coordination-port.ts';

/**
 * The slow plane's messages as flat JSON with units in the names. What a peer sent is read field by field and refused
 * whole when one is missing or of another kind.
 */
type Kind = 'size' | 'int' | 'number' | 'flag';
interface Field {
  readonly name: string;
  readonly wire: string;
  readonly kind: Kind;
  readonly optional?: true;
}

const field = (name: string, wire: string, kind: Kind, optional?: true): Field => ({
  name,
  wire,
  kind,
  ...(optional && { optional }),
});

const REQUEST = [field('id', 'id', 'int'), field('session', 'session', 'int'), field('chunks', 'chunks', 'int')];

/** From a front end. `hello` and `status` are not among them: the link says hello itself. */
const CALLS: Readonly<Record<'report' | 'burst' | 'moved' | 'need', readonly Field[]>> = {
  report: [
    field('usedBytes', 'used_bytes', 'size'),
    field('limitBytes', 'limit_bytes', 'size'),
    field('wantedBytes', 'wanted_bytes', 'size'),
    field('programs', 'programs', 'size'),
    field('pressured', 'pressured', 'flag'),
    field('lastId', 'last_id', 'int', true),
  ],
  burst: [
    field('bytes', 'bytes', 'size'),
    field('atMicros', 'at_us', 'number'),
    field('totalMicros', 'total_us', 'number'),
  ],
  moved: [
    field('id', 'id', 'int'),
    field('changeBytes', 'change_bytes', 'int'),
    field('limitBytes', 'limit_bytes', 'size'),
  ],
  need: [...REQUEST, field('deadlineMicros', 'deadline_us', 'int')],
};

/** From the back end. */
const NOTICES: Readonly<Record<BackendNotice['notice'], readonly Field[]>> = {
  reserve: [field('bytes', 'bytes', 'size')],
  budget: [field('id', 'id', 'int'), field('changeBytes', 'change_bytes', 'int')],
  limits: [field('floorBytes', 'floor_bytes', 'size'), field('ceilingBytes', 'ceiling_bytes', 'size')],
  given: [
    ...REQUEST,
    field('status', 'status', 'int'),
    field('decideMicros', 'decide_us', 'int'),
    field('releaseMicros', 'release_us', 'int'),
  ],
};

const FITS: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  size: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  int: Number.isSafeInteger,
  number: Number.isFinite,
  flag: (value) => typeof value === 'boolean',
};

/** @returns undefined for a call that does not travel. */
export const callFields = (call: BackendCall): CoordinationFields | undefined =>
  call.op in CALLS ? { op: call.op, ...pick(CALLS[call.op as keyof typeof CALLS], call, 'name', 'wire') } : undefined;

export const noticeFields = (notice: BackendNotice): CoordinationFields => ({
  op: notice.notice,
  ...pick(NOTICES[notice.notice], notice, 'name', 'wire'),
});

export function readCall(fields: Readonly<Record<string, unknown>>): BackendCall | undefined {
  const read = readWith(CALLS, fields);
  return read && ({ op: fields.op, ...read } as BackendCall);
}

export function readNotice(fields: Readonly<Record<string, unknown>>): BackendNotice | undefined {
  const read = readWith(NOTICES, fields);
  return read && ({ notice: fields.op, ...read } as unknown as BackendNotice);
}

/** An object of a message, or undefined for what is none. */
export function parseFields(content: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(content.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function readWith(
  specs: Readonly<Record<string, readonly Field[]>>,
  fields: Readonly<Record<string, unknown>>,
): CoordinationFields | undefined {
  const spec = typeof fields.op === 'string' && Object.hasOwn(specs, fields.op) ? specs[fields.op] : undefined;
  if (!spec) return undefined;
  const whole = spec.every(({ wire, kind, optional }) =>
    fields[wire] === undefined ? optional === true : FITS[kind](fields[wire]),
  );
  return whole ? pick(spec, fields, 'wire', 'name') : undefined;
}

function pick(spec: readonly Field[], from: object, of: 'name' | 'wire', to: 'name' | 'wire'): CoordinationFields {
  const values = from as Readonly<Record<string, string | number | boolean | undefined>>;
  const picked: Record<string, string | number | boolean> = {};
  for (const each of spec) {
    const value = values[each[of]];
    if (value !== undefined) picked[each[to]] = value;
  }
  return picked;
}
