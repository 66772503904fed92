import { z } from 'zod';
import type { LocalProbe } from '../records.ts';
import { type CommandHandlers, command } from '../telemetry/commands.ts';
import type { MarkSource } from '../telemetry/reporter.ts';
import { type Bytes, bytes } from '../units.ts';

/** What the agent of a domain lets be commanded of it over MQTT. */
export interface CommandedDomain {
  /** Times a local allocation. The agent's slow plane stands still meanwhile. */
  probe(byteLength: Bytes): LocalProbe;
  /** Writes a mark into telemetry and the drive log. */
  mark(source: MarkSource, label: string | undefined): void;
  /**
   * Fixes the reserve, or leaves it to policy again; until the agent ends: the configuration is not written.
   * @throws Error when the domain may not hold so much.
   */
  fixReserve(mib: number | undefined): void;
}

/** Larger ones are no bursts, and a probe of 256 MiB takes a third of a second. */
const MAX_PROBE_KIB = 256 * 1024;
const DEFAULT_PROBE_KIB = 4096;

/** `cmd/probe`, `cmd/mark` and `cmd/reserve`. Floor and ceiling are the back end's to change. */
export const domainCommands = (domain: CommandedDomain): CommandHandlers => ({
  probe: command({ size_kib: z.int().min(64).max(MAX_PROBE_KIB).default(DEFAULT_PROBE_KIB) }, ({ size_kib }) => {
    const probe = domain.probe(bytes(size_kib * 1024));
    if (probe.kind === 'skipped') throw new Error(probe.reason);
    const { freshMicros, bestMicros, bestWay } = probe;
    return { size_kib, fresh_us: freshMicros, best_us: bestMicros, best_way: bestWay };
  }),
  mark: command(
    {
      label: z.string().min(1).max(256).optional(),
      // How it was made, where a person made it; a program's is of the command alone.
      source: z.enum(['keyboard', 'touch', 'command']).default('command'),
    },
    ({ label, source }) => {
      domain.mark(source, label);
      return { label, source };
    },
  ),
  reserve: command(
    {
      reserve_mib: z
        .int()
        .min(0)
        .max(1024 * 1024)
        .optional(),
    },
    ({ reserve_mib }) => {
      domain.fixReserve(reserve_mib);
      return { reserve_mib, sized_by: reserve_mib === undefined ? 'policy' : 'command' };
    },
  ),
});
