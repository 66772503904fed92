/** What machine this is, for the head of the report: the systeminformation package, asked once, static facts only. */
import { errorMessage } from '../errors.ts';

export interface Inventory {
  /** Maker and model of the system or board; `undefined` where nothing tells it. */
  readonly system: string | undefined;
  readonly processor: string | undefined;
  /** Hardware threads. */
  readonly processor_threads: number | undefined;
  readonly memory_bytes: number | undefined;
  readonly operating_system: string | undefined;
  readonly kernel: string | undefined;
  /** `KVM`, `Xen`, …; `undefined` on bare metal, and where it does not show. */
  readonly virtualised_by: string | undefined;
}

export type InventoryResult =
  | { readonly ok: true; readonly inventory: Inventory }
  | { readonly ok: false; readonly reason: string };

export async function takeInventory(): Promise<InventoryResult> {
  try {
    // Loaded here: no other command needs it, and it is large.
    const { default: information } = await import('systeminformation');
    const [system, cpu, memory, os] = await Promise.all([
      information.system(),
      information.cpu(),
      information.mem(),
      information.osInfo(),
    ]);
    return {
      ok: true,
      inventory: {
        system: words(system.manufacturer, system.model, system.version),
        processor: words(cpu.manufacturer, cpu.brand),
        processor_threads: cpu.cores > 0 ? cpu.cores : undefined,
        memory_bytes: memory.total > 0 ? memory.total : undefined,
        operating_system: words(os.distro, os.release),
        kernel: words(os.kernel),
        virtualised_by: system.virtual ? words(system.virtualHost ?? '') : undefined,
      },
    };
  } catch (error) {
    return { ok: false, reason: errorMessage(error) };
  }
}

/** Joins what is known; the package says `-` and the empty string for what is not. */
function words(...parts: readonly string[]): string | undefined {
  const known = parts.map((part) => part.trim()).filter((part) => part !== '' && part !== '-');
  return known.length === 0 ? undefined : [...new Set(known)].join(' ');
}
