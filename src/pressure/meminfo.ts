import { type Bytes, bytes, KIB } from '../units.ts';
import { label, PseudoFile } from './pseudo-file.ts';

/**
 * `/proc/meminfo`, in KiB although the kernel writes "kB" (proc_meminfo(5)):
 *
 *     MemTotal:       24684092 kB
 *     MemFree:        24375612 kB
 *     MemAvailable:   24357396 kB
 *     Mapped:           159080 kB
 *     Shmem:             33088 kB
 *
 * `MemTotal` is read each time: a balloon driver changes it while the system runs.
 */
const MEM_TOTAL = label('MemTotal:');
const MEM_AVAILABLE = label('MemAvailable:');
const MAPPED = label('Mapped:');
const SHMEM = label('Shmem:');

export type MeminfoResult =
  | { readonly ok: true; readonly totalBytes: Bytes; readonly availableBytes: Bytes }
  | { readonly ok: false; readonly reason: string };

export class MeminfoReader {
  readonly #file: PseudoFile;

  constructor(path: string) {
    this.#file = new PseudoFile(path);
  }

  read(): MeminfoResult {
    const failure = this.#file.refresh();
    if (failure !== undefined) return { ok: false, reason: failure };
    const totalKib = this.#file.labelled(MEM_TOTAL);
    const availableKib = this.#file.labelled(MEM_AVAILABLE);
    if (totalKib === undefined || availableKib === undefined) {
      return { ok: false, reason: 'MemTotal or MemAvailable is not in it: Linux 3.14 or later is needed' };
    }
    return { ok: true, totalBytes: bytes(totalKib * KIB), availableBytes: bytes(availableKib * KIB) };
  }

  /**
   * Of the last reading: file pages that programs have mapped, which is their code. The kernel counts them as available, and
   * can drop them, but whoever runs reads them back at once. What is shared memory among them cannot be told, so all of it is
   * taken off. 0 where the kernel does not say.
   */
  get codeBytes(): Bytes {
    const [mapped = 0, shared = 0] = [this.#file.labelled(MAPPED), this.#file.labelled(SHMEM)];
    return bytes(Math.max(0, mapped - shared) * KIB);
  }

  close(): void {
    this.#file.close();
  }
}
