import type { PsiReading } from '../records.ts';
import { type Label, label, PseudoFile } from './pseudo-file.ts';

/**
 * Pressure stall information: how long programs stood still for want of memory.
 *
 * `/proc/pressure/memory` and a cgroup's `memory.pressure` (Linux, Documentation/accounting/psi.rst):
 *
 *     some avg10=0.12 avg60=0.05 avg300=0.01 total=123456
 *     full avg10=0.00 avg60=0.00 avg300=0.00 total=4567
 *
 * `some`: at least one task stalled; `full`: all non-idle tasks at once. Averages are percent of wall time over 10, 60
 * and 300 s; totals are microseconds since boot (or since the cgroup was made).
 */
const SOME = label('some ');
const FULL = label('full ');
const AVG10 = label('avg10=');
const TOTAL = label('total=');

export type PsiResult =
  | { readonly ok: true; readonly psi: PsiReading }
  | { readonly ok: false; readonly reason: string };

const NO_PSI =
  'no such file: a kernel with CONFIG_PSI=y is needed (where CONFIG_PSI_DEFAULT_DISABLED=y, boot with psi=1)';
const PSI_OFF = 'PSI is switched off: add psi=1 to the kernel command line';

export class PsiReader {
  readonly #file: PseudoFile;

  /** @param path `/proc/pressure/memory` or `<cgroup>/memory.pressure`. */
  constructor(path: string) {
    this.#file = new PseudoFile(path, Buffer.allocUnsafe(4096));
  }

  read(): PsiResult {
    const failure = this.#file.refresh();
    if (failure !== undefined) return { ok: false, reason: explain(failure) };
    const someAvg10Percent = this.#field(SOME, AVG10);
    const fullAvg10Percent = this.#field(FULL, AVG10);
    const someTotalMicros = this.#field(SOME, TOTAL);
    const fullTotalMicros = this.#field(FULL, TOTAL);
    if (
      someAvg10Percent === undefined ||
      fullAvg10Percent === undefined ||
      someTotalMicros === undefined ||
      fullTotalMicros === undefined
    ) {
      return { ok: false, reason: `not the format of PSI: ${JSON.stringify(this.#file.text().slice(0, 80))}` };
    }
    return { ok: true, psi: { someAvg10Percent, fullAvg10Percent, someTotalMicros, fullTotalMicros } };
  }

  /** The field `name` on the line that starts with `line`. */
  #field(line: Label, name: Label): number | undefined {
    const start = this.#file.lineStartingWith(line);
    if (start < 0) return undefined;
    const at = this.#file.find(name, start);
    const isOnLine = at >= 0 && !this.#file.endsLine(start, at);
    return isOnLine ? this.#file.numberAt(at + name.length) : undefined;
  }

  close(): void {
    this.#file.close();
  }
}

function explain(failure: string): string {
  if (failure === 'no such file') return NO_PSI;
  return failure === 'switched off in this kernel' ? PSI_OFF : failure;
}
