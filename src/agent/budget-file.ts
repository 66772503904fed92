import fs from 'node:fs';

/** Leaves the budgets as they stand for a successor of this back end. */
export function writeBudgets(file: string, domains: readonly string[], limits: readonly number[]): void {
  const text = JSON.stringify(Object.fromEntries(domains.map((name, at) => [name, limits[at]])));
  fs.writeFileSync(`${file}.new`, text, { mode: 0o600 });
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
