/** `memtide doctor`: what this machine offers memtide, what is off, what follows, and how to switch it on. */
import { canRun, judgeAll } from '../doctor/check.ts';
import { CHECKS } from '../doctor/checks.ts';
import { gatherFacts } from '../doctor/gather.ts';
import { takeInventory } from '../doctor/inventory.ts';
import { reportJson, reportText } from '../doctor/report.ts';
import { systemTrials } from '../doctor/trials.ts';
import { EXIT, type ExitCode } from '../errors.ts';
import type { CommandIo } from './io.ts';

export interface DoctorOptions {
  /** JSON instead of the text for people. */
  readonly json?: boolean;
}

/** Wider lines are hard to read. */
const MAX_COLUMNS = 110;

/** @returns `EXIT.ok` where memtide can run, degraded or not; `EXIT.failed` where it cannot. */
export async function doctorCommand({ json = false }: DoctorOptions, io: CommandIo): Promise<ExitCode> {
  const [inventory, facts] = await Promise.all([
    takeInventory(),
    gatherFacts({
      root: '/',
      trials: systemTrials(io.env.PATH ?? ''),
      platform: process.platform,
      architecture: process.arch,
      nodeVersion: process.versions.node,
      pid: process.pid,
    }),
  ]);
  const report = { inventory, findings: judgeAll(CHECKS, facts) };
  const colours = io.interactive && !io.env.NO_COLOR;
  io.stdout.write(
    json ? reportJson(report) : reportText(report, { columns: Math.min(io.columns, MAX_COLUMNS), colours }),
  );
  return canRun(report.findings) ? EXIT.ok : EXIT.failed;
}
