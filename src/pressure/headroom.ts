import type { PressureSample } from '../records.ts';
import { type Bytes, bytes } from '../units.ts';

/** How much more the domain can take before something refuses; `undefined` when nothing that bounds it is known. */
export function headroomBytes({ usedBytes, limitBytes, availableBytes }: PressureSample): Bytes | undefined {
  const withinLimit = usedBytes === undefined || limitBytes === undefined ? undefined : limitBytes - usedBytes;
  const bounds = [withinLimit, availableBytes].filter((bound) => bound !== undefined);
  return bounds.length === 0 ? undefined : bytes(Math.max(0, Math.min(...bounds)));
}
