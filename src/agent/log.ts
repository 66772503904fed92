import { type Logger, pino } from 'pino';

/** What an agent says on standard error: one JSON object a line, for journald and for eyes. */
export type Log = Logger;

export function openLog(level: string, name: string): Log {
  return pino(
    { level, base: { agent: name }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
