import { systemClock } from '../clock.ts';
import type { Config, DomainConfig } from '../config/schema.ts';
import { privateFloorMib } from '../config/total.ts';
import type { BackendCall } from '../coordination/agent-protocol.ts';
import { EXIT, MemtideError } from '../errors.ts';
import { systemBalloon } from '../platforms/xen/balloon-driver.ts';
import { BalloonRoute } from '../platforms/xen/balloon-route.ts';
import { type Bytes, bytes, KIB, MIB, mebibytes } from '../units.ts';
import { openXenstore } from '../xen/xenstore/open.ts';
import { Xenstore } from '../xen/xenstore/xenstore.ts';
import type { DomainBudget } from './domain-budget.ts';
import { GuestReservation } from './guest-reservation.ts';
import type { Log } from './log.ts';
import { ProgramBudget } from './program-budget.ts';
import { guestReserveRule } from './settings.ts';

/** While everything boots at once, dom0 may be slow to answer. */
const BUSY_BOOT_MILLIS = 60_000;

export interface OpenBudgetOptions {
  readonly config: Config;
  readonly domain: DomainConfig;
  /** Where the budget of the domain's programs stands, by the back end's books. */
  readonly budgetBytes: number | undefined;
  readonly log: Log;
  readonly tell: (call: BackendCall) => boolean;
}

/** The budget of a domain: that of its programs, or the reservation of the whole guest where the configuration says so. */
export async function openBudget({ config, domain, budgetBytes, log, tell }: OpenBudgetOptions): Promise<DomainBudget> {
  const { name, budget_mib, ceiling_mib, guest } = domain;
  if (guest === undefined) {
    return new ProgramBudget({
      name,
      limit: bytes(budgetBytes ?? mebibytes(budget_mib)),
      floor: mebibytes(privateFloorMib(domain)),
      ceiling: mebibytes(ceiling_mib),
      log,
      tell,
    });
  }
  const driver = systemBalloon();
  const bootBytes = await bootMemory();
  const route = new BalloonRoute({
    driver,
    // It may hold what it holds; how far it may grow is the back end's to say.
    limits: { floor: mebibytes(guest.floor_mib), ceiling: driver.current() },
    bootBytes,
    deadlineMillis: config.xen.balloon_deadline_ms,
    stallMillis: config.xen.balloon_stall_ms,
    clock: systemClock,
    sleep: () => {
      throw new RangeError('the agent waits for no balloon');
    },
  });
  const reserve = guestReserveRule(config.xen.reserve_mib * MIB, config.policy.step_cap_mib * MIB);
  log.info({ enforced_by: route.enforcedBy, boot_bytes: bootBytes }, 'the reservation of the whole guest is moved');
  const horizonMicros = config.xen.horizon_ms * 1000;
  return new GuestReservation({ route, reserve, horizonMicros, clock: systemClock, log, tell });
}

/** What the toolstack gave the guest when it was created, from its home in xenstore. */
async function bootMemory(): Promise<Bytes> {
  const store = new Xenstore({ open: () => openXenstore(), replyMillis: BUSY_BOOT_MILLIS });
  await store.start();
  try {
    const text = await store.read('memory/static-max');
    const kib = Number(text);
    if (text !== undefined && /^\d{1,12}$/.test(text) && kib > 0) return bytes(kib * KIB);
    throw new MemtideError({
      operation: 'find what the guest was booted with',
      object: 'memory/static-max',
      expected: 'a number of KiB',
      actual: text === undefined ? 'no such node' : JSON.stringify(text.slice(0, 40)),
      remedy: 'create the guest with xl',
      exitCode: EXIT.unavailable,
    });
  } finally {
    await store.close();
  }
}
