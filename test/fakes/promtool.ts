/** Prometheus' own linter, where it is installed (Debian: the package prometheus). */
import { spawnSync } from 'node:child_process';

export const promtool = { skip: lint('').error === undefined ? false : 'promtool is not on PATH' } as const;

function lint(text: string) {
  return spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
}

/** What it says against a text: nothing, if it is right. */
export function objections(text: string): string {
  const { status, stdout, stderr } = lint(text);
  return status === 0 ? '' : `${stdout}${stderr}` || `exit code ${status}`;
}
