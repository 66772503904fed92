/**
 * Commands from the broker: `cmd/<verb>` is checked, run once and answered, whatever becomes of it. Whoever reaches the
 * broker can send one, so everything in it is distrusted.
 */
import { z } from 'zod';
import { errorMessage } from '../errors.ts';
import { commandEnvelope } from './schema.ts';

/** A value that fits in a flat payload. */
export type WireValue = string | number | boolean | undefined;
export type CommandResult = Readonly<Record<string, WireValue>>;

export interface CommandHandler {
  /** Of the arguments beside `v` and `txn`. */
  readonly args: z.ZodObject;
  readonly run: (args: never) => CommandResult | Promise<CommandResult>;
}
/** Handlers by verb. */
export type CommandHandlers = Readonly<Record<string, CommandHandler>>;

/**
 * Joins a schema of arguments with what runs them.
 * @param shape of the arguments beside `txn`; any other key is refused.
 */
export function command<Shape extends z.ZodRawShape>(
  shape: Shape,
  run: (args: z.output<z.ZodObject<Shape, z.core.$strict>>) => CommandResult | Promise<CommandResult>,
): CommandHandler {
  return { args: z.strictObject(shape), run };
}

/** What `rsp/<verb>` carries beside the stamp. `txn` is absent when the command had none that could be read. */
export type Answer = { readonly txn?: string; readonly ok: boolean; readonly error?: string } & CommandResult;

export interface IncomingCommand {
  readonly verb: string;
  readonly content: Buffer;
  /** The broker had kept it: it may be of any age. */
  readonly retained: boolean;
}

/** Larger than any command, small enough to parse at once. */
const MAX_COMMAND_BYTES = 16 * 1024;
/** QoS 1 may deliver twice. Remembering this many answers is enough for what a broker has in flight. */
const REMEMBERED_ANSWERS = 64;
const MAX_RUNNING = 8;

export class CommandDispatcher {
  readonly #handlers: ReadonlyMap<string, CommandHandler>;
  readonly #answers = new Map<string, Promise<Answer>>();
  #running = 0;

  constructor(handlers: CommandHandlers) {
    this.#handlers = new Map(Object.entries(handlers));
  }

  /** Runs a command and says what to answer. Never rejects. A transaction id seen before gets its first answer again. */
  async answer({ verb, content, retained }: IncomingCommand): Promise<Answer> {
    if (content.length > MAX_COMMAND_BYTES) {
      return refuse(undefined, `${content.length} bytes; accepted: at most ${MAX_COMMAND_BYTES}`);
    }
    const envelope = commandEnvelope.safeParse(parseJson(content));
    if (!envelope.success) return refuse(undefined, 'accepted: a JSON object with txn, a text of 1 to 64 characters');
    const { txn, v: _version, ...args } = envelope.data;
    if (retained) return refuse(txn, 'retained commands are not obeyed: they would run again at every connection');
    const key = `${verb}/${txn}`;
    const known = this.#answers.get(key);
    if (known) return known;
    if (this.#running >= MAX_RUNNING) return refuse(txn, `busy with ${MAX_RUNNING} commands; try again`);
    const answer = this.#run(verb, txn, args);
    this.#remember(key, answer);
    return answer;
  }

  async #run(verb: string, txn: string, args: Record<string, unknown>): Promise<Answer> {
    const handler = this.#handlers.get(verb);
    if (!handler) return refuse(txn, `no such command; known: ${[...this.#handlers.keys()].join(', ') || 'none'}`);
    const checked = handler.args.safeParse(args);
    if (!checked.success) return refuse(txn, explain(checked.error));
    this.#running++;
    try {
      return { ...(await handler.run(checked.data as never)), txn, ok: true };
    } catch (error) {
      return refuse(txn, errorMessage(error));
    } finally {
      this.#running--;
    }
  }

  #remember(key: string, answer: Promise<Answer>): void {
    this.#answers.set(key, answer);
    if (this.#answers.size > REMEMBERED_ANSWERS) this.#answers.delete(this.#answers.keys().next().value!);
  }
}

const refuse = (txn: string | undefined, error: string): Answer => ({
  ...(txn === undefined ? {} : { txn }),
  ok: false,
  error,
});

const explain = (error: z.ZodError): string =>
  error.issues
    .map(({ path, message }) => `${path.join('.') || 'arguments'}: ${message}`)
    .join('; ')
    .slice(0, 1024);

function parseJson(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
}
