import type { SessionCall, SessionReply } from '../coordination/session-protocol.ts';
import type { ProcessBudget } from '../platforms/budget/contracts.ts';
import type { Log } from './log.ts';

/** Puts a program under the domain's budget, or takes it out: what `memtide run` asks for. */
export function answerProgram(
  budget: ProcessBudget,
  { pid, ended }: SessionCall & { op: 'program' },
  log: Log,
): SessionReply {
  if (ended === true) {
    budget.removeProgram(pid);
    return { ok: true, program: { limitBytes: budget.state().limit, enforcedBy: budget.enforcedBy } };
  }
  const added = budget.addProgram(pid);
  if (!added.ok) {
    return { ok: false, error: added.reason, ...(added.remedy === undefined ? {} : { remedy: added.remedy }) };
  }
  log.info({ pid }, 'a program runs under the budget');
  const { enforcedBy, atTheLimit } = budget;
  return { ok: true, program: { limitBytes: budget.state().limit, enforcedBy, atTheLimit } };
}
