import { type DriveMessage, messageLine, parseDriveLine } from '../../../src/telemetry/drive/format.ts';

/** Where the drives of these tests begin, Unix time in milliseconds. */
export const START = Date.parse('2026-11-25T07:00:00.000Z');
const BOOT = 'a4e5b3a2-0d6b-4a7e-9f63-0a1b2c3d4e5f';

/** A message of a boot that began a second before START; `at` in milliseconds since START. */
export function message(
  report: DriveMessage['report'],
  domain: string,
  at: number,
  fields: Readonly<Record<string, unknown>> = {},
): DriveMessage {
  const stamp = {
    v: 1,
    seq: 0,
    boot: BOOT,
    mono_ns: String((at + 1000) * 1e6),
    ts: new Date(START + at).toISOString(),
  };
  const payload = { ...stamp, synced: true, ...fields };
  return { report, domain, payload: report === 'event/burst' ? { ...payload, domain } : payload };
}

/** As it goes through a file. */
export const line = (...given: Parameters<typeof message>) => parseDriveLine(messageLine(message(...given)).trimEnd());

export const burst = (domain: string, at: number, fields: Readonly<Record<string, unknown>> = {}) =>
  line('event/burst', domain, at, {
    id: `${domain}-${at}`,
    mode: 'hypervisor',
    outcome: 'served',
    requested_bytes: 4 * 1024 * 1024,
    reserve_bytes: 4 * 1024 * 1024,
    pool_bytes: 0,
    peer_bytes: 0,
    idle_bytes: 0,
    populate_us: 20,
    touch_us: 80,
    total_us: 100,
    probe_best_us: 50,
    probe_fresh_us: 1000,
    probe_best_way: 'warm',
    ...fields,
  });
