/** The wire schema as JSON Schema, for readers in other languages. It ships as wire-schema.json beside this file. */
import { z } from 'zod';
import type { CommandHandlers } from './commands.ts';
import { SCHEMA_VERSION } from './kinds.ts';
import { commandEnvelope, REPORT_SCHEMAS, responseEnvelope, watermarkSchema } from './schema.ts';
import { REPORTS, WATERMARK } from './topics.ts';

const jsonSchema = (schema: z.ZodType): Record<string, unknown> => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
};

/**
 * One document: under `$defs`, by the end of its topic, a schema for each message. `cmd` and `rsp` are what all commands
 * and answers have in common.
 * @param commands whose arguments are described as well, as `cmd/<verb>`.
 */
export function wireDocument(commands: CommandHandlers): Record<string, unknown> {
  const reports = REPORTS.map((report) => [report, jsonSchema(REPORT_SCHEMAS[report])] as const);
  const verbs = Object.entries(commands).map(
    ([verb, { args }]) => [`cmd/${verb}`, jsonSchema(args.extend(commandEnvelope.shape))] as const,
  );
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `memtide wire schema, version ${SCHEMA_VERSION}`,
    description:
      'Messages on <base_topic>/<vehicle>/<domain>/<key>. A reader accepts fields that it does not know: new ones come within a version; a changed meaning is a new version.',
    $defs: Object.fromEntries([
      ...reports,
      ['cmd', jsonSchema(commandEnvelope)],
      ...verbs,
      ['rsp', jsonSchema(responseEnvelope)],
      [WATERMARK, jsonSchema(watermarkSchema)],
    ]),
  };
}
