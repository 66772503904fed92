import fs from 'node:fs';

/** Leaves the budgets as they stand for a successor of this back end. */
export function writeBudgets(file: string, limits: Readonly<Record<string, number>>): void {
  fs.writeFileSync(`${file}.new`, JSON.stringify(limits), { mode: 0o600 });
  fs.renameSync(`${file}.new`, file);
}

/** What a predecessor has left; nothing when it died before it had written any. */
export function readBudgets(file: string): Record<string, number> {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, number>;
  } catch {
    return {};
  }
}
