import fs from 'node:fs';

/** Where a thread of another process runs: which caches hold what it wrote last. */
export class ThreadPlace {
  readonly #stat: string | undefined;

  /** @param name of the thread, as in `top -H`. */
  constructor(pid: number, name: string) {
    const tasks = `/proc/${pid}/task`;
    const thread = fs
      .readdirSync(tasks)
      .find((each) => fs.readFileSync(`${tasks}/${each}/comm`, 'utf8').trim() === name);
    this.#stat = thread && `${tasks}/${thread}/stat`;
  }

  /** The CPU that it ran on last; `undefined` where no thread has the name. */
  cpu(): number | undefined {
    if (this.#stat === undefined) return undefined;
    // Field 39, counted from behind the name, which may hold anything: proc_pid_stat(5).
    const fields = fs
      .readFileSync(this.#stat, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(fields[36]);
  }
}
