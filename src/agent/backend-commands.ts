import { z } from 'zod';
import { MODES, type Mode } from '../records.ts';
import { type CommandHandlers, command } from '../telemetry/commands.ts';
import { type Bytes, mebibytes } from '../units.ts';

/** What the agent of the control domain lets be commanded of it over MQTT. */
export interface CommandedBackend {
  setMode(mode: Mode): void;
  /**
   * Changes a domain's floor and ceiling; what is left out stays. Until the back end ends: the configuration is not written.
   * @throws Error when there is no such domain, or the limits do not fit together.
   */
  setLimits(domain: string, change: Partial<DomainLimits>): DomainLimits;
  /**
   * Collects memory in Xen's free heap for a guest that is to be created, and keeps others from it until that guest is
   * there, or for `holdMicros`.
   * @param guest its name; left out: whichever comes next.
   * @returns whether it is there, at the latest after `waitMicros`.
   */
  makeRoom(room: Bytes, waitMicros: number, holdMicros: number, guest?: string): Promise<boolean>;
}

export interface DomainLimits {
  readonly floor_mib: number;
  readonly ceiling_mib: number;
}

const size = () =>
  z
    .int()
    .min(1)
    .max(1024 * 1024)
    .optional();

const seconds = (otherwise: number) => z.number().min(0).max(3600).default(otherwise);

/** `cmd/mode`, `cmd/limits` and `cmd/room`. */
export const backendCommands = (backend: CommandedBackend): CommandHandlers => ({
  mode: command({ mode: z.enum(MODES) }, ({ mode }) => {
    backend.setMode(mode);
    return { mode };
  }),
  limits: command({ domain: z.string().max(64), floor_mib: size(), ceiling_mib: size() }, ({ domain, ...change }) => ({
    domain,
    ...backend.setLimits(domain, defined(change)),
  })),
  room: command(
    {
      mib: z
        .int()
        .min(1)
        .max(1024 * 1024),
      wait_s: seconds(30),
      hold_s: seconds(120),
      guest: z.string().max(64).optional(),
    },
    async ({ mib, wait_s, hold_s, guest }) => ({
      mib,
      collected: await backend.makeRoom(mebibytes(mib), wait_s * 1e6, hold_s * 1e6, guest),
    }),
  ),
});

/** Without the keys that were left out. */
const defined = ({ floor_mib, ceiling_mib }: { floor_mib?: number | undefined; ceiling_mib?: number | undefined }) => ({
  ...(floor_mib === undefined ? {} : { floor_mib }),
  ...(ceiling_mib === undefined ? {} : { ceiling_mib }),
});
