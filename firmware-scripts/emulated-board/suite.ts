/** Runs the Xen suite, test/xen, where it belongs: in dom0, with a guest on the other side. */
import type { Board } from './board.ts';
import type { Guest } from './guests.ts';
import type { Progress } from './progress.ts';

const SUITE_SECONDS = 1500;

/** @param file of test/xen: all of it, or one part. @returns its exit code. */
export async function runSuite(
  board: Board,
  guests: readonly Guest[],
  progress: Progress,
  file = 'suite',
): Promise<number> {
  progress.say('\nThe Xen suite, in dom0:\n');
  const addresses = guests.map(({ name, address }) => `${name}=${address}`).join(',');
  const { code } = await board.dom0.run(
    `cd /opt/memtide
     MEMTIDE_GUESTS=${addresses} node --test-reporter=spec dist/test/xen/${file}.js`,
    { deadlineSeconds: SUITE_SECONDS, onOutput: (text) => process.stdout.write(text) },
  );
  progress.say(code === 0 ? '  ✔ the Xen suite passed' : `  ✘ the Xen suite failed (exit code ${code})`);
  return code;
}
