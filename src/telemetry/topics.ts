/**
 * Names of topics: `<base>/<vehicle>/<domain>/<leaf>`. Every part is checked before it is joined, so no `+`, `#`, `/`
 * or control character of a peer's making can widen a subscription or write to another domain's topic.
 */
import { SLUG, SLUG_FORM, TOPIC_LEVELS, TOPIC_LEVELS_FORM } from '../config/names.ts';
import { EXIT, MemtideError } from '../errors.ts';

/** Whose topics they are. */
export interface TopicOwner {
  /** One to four levels, from `mqtt.base_topic`. */
  readonly base: string;
  readonly vehicle: string;
  readonly domain: string;
}

/** Messages that memtide publishes for others to read, each with one schema. */
export const REPORTS = [
  'state',
  'info',
  'tele/mem',
  'tele/psi',
  'tele/alloc',
  'event/burst',
  'event/mark',
  'event/gap',
] as const;
export type Report = (typeof REPORTS)[number];
export const WATERMARK = 'sink/watermark';
/**
 * The end of a topic. `cmd/<verb>` asks, `rsp/<verb>` answers with the same transaction id, `coord/<domain>` carries
 * offers and limits to the agent of another domain; who sends them is the domain of the topic.
 * On `sink/watermark` a sink says how much of a domain's spool it holds.
 */
export type Leaf = Report | typeof WATERMARK | `cmd/${string}` | `rsp/${string}` | `coord/${string}`;

/** @throws MemtideError when a part is not of the form that a topic level must have. */
export function topicOf(owner: TopicOwner, leaf: Leaf): string {
  if (!isLeaf(leaf)) throw notATopic('leaf', leaf, `${REPORTS.join(', ')}, or cmd/, rsp/ or coord/ with a name`);
  return `${prefixOf(owner)}/${leaf}`;
}

/** The topic on which a sink tells this domain how much of its spool it holds. */
export const watermarkTopic = (owner: TopicOwner): string => topicOf(owner, WATERMARK);

/** The subscription for every command to this domain, whatever its verb. */
export const commandFilter = (owner: TopicOwner): string => `${prefixOf(owner)}/cmd/+`;

/** The subscription for what the other domains of the vehicle send to this one. */
export function coordinationFilter(owner: TopicOwner): string {
  prefixOf(owner); // checks the parts
  return `${owner.base}/${owner.vehicle}/+/coord/${owner.domain}`;
}

export interface ParsedTopic {
  readonly vehicle: string;
  readonly domain: string;
  readonly leaf: Leaf;
}

/** The way back. `undefined` for a topic of another base, or of no form that memtide writes. */
export function parseTopic(base: string, topic: string): ParsedTopic | undefined {
  if (!topic.startsWith(`${base}/`)) return undefined;
  const [vehicle = '', domain = '', ...rest] = topic.slice(base.length + 1).split('/');
  const leaf = rest.join('/');
  return SLUG.test(vehicle) && SLUG.test(domain) && isLeaf(leaf) ? { vehicle, domain, leaf } : undefined;
}

/** `cmd/borrow` → `borrow`; `undefined` for every leaf that is not a command. */
export function verbOf(leaf: Leaf): string | undefined {
  return leaf.startsWith('cmd/') ? leaf.slice('cmd/'.length) : undefined;
}

function isLeaf(text: string): text is Leaf {
  if (text === WATERMARK || (REPORTS as readonly string[]).includes(text)) return true;
  const [kind = '', name = '', ...more] = text.split('/');
  return ['cmd', 'rsp', 'coord'].includes(kind) && SLUG.test(name) && more.length === 0;
}

function prefixOf({ base, vehicle, domain }: TopicOwner): string {
  if (!TOPIC_LEVELS.test(base)) throw notATopic('base topic', base, TOPIC_LEVELS_FORM);
  if (!SLUG.test(vehicle)) throw notATopic('vehicle', vehicle, SLUG_FORM);
  if (!SLUG.test(domain)) throw notATopic('domain', domain, SLUG_FORM);
  return `${base}/${vehicle}/${domain}`;
}

const notATopic = (part: string, found: string, expected: string): MemtideError =>
  new MemtideError({
    operation: 'name a topic',
    object: part,
    expected,
    actual: JSON.stringify(found.slice(0, 64)),
    remedy: `choose another ${part}`,
    exitCode: EXIT.usage,
  });
