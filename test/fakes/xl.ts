import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { packageRoot } from '../../src/package-root.ts';
import type { XlOutcome } from '../../src/xen/xl.ts';

/** A machine under the toolstack of test/fakes/bin: domains by id, in MiB. It ends with the test. */
export function fakeXl(
  test: TestContext,
  { freeMib, guests }: { readonly freeMib: number; readonly guests: Readonly<Record<number, [string, number]>> },
) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-xl-'));
  test.after(() => fs.rmSync(folder, { recursive: true }));
  const write = (name: string, text: string | number): void => fs.writeFileSync(path.join(folder, name), `${text}\n`);
  const read = (name: string): string => fs.readFileSync(path.join(folder, name), 'utf8').trim();
  write('free', freeMib);
  write('sched', 1000);
  for (const [domid, [name, held]] of Object.entries(guests)) {
    write(domid, `${name} ${held}`);
    write(`${domid}.sched`, 256);
    write(`${domid}.pin`, 'all');
  }
  const program = path.join(packageRoot(), 'test/fakes/bin/xl');
  const xl = (args: readonly string[]): Promise<XlOutcome> =>
    new Promise((resolve, reject) => {
      execFile(program, args, { env: { ...process.env, FAKE_XL: folder } }, (error, stdout, stderr) => {
        if (error === null) resolve({ code: 0, output: stdout });
        else if (typeof error.code === 'number') resolve({ code: error.code, output: stderr || stdout });
        else reject(error);
      });
    });
  return { xl, write, read };
}
