/** The keys of the configuration that speak of Xen: of a domain that is a guest, and of the machine. */
import { z } from 'zod';
import { MAX_ARENA_MIB, MAX_MIB } from './bounds.ts';

const whole = (min: number, max: number) => z.int().min(min).max(max);

const CPU_LIST = /^\d{1,3}(-\d{1,3})?(,\d{1,3}(-\d{1,3})?)*$/;
const CPU_LIST_FORM = 'numbers and ranges of CPUs, such as 0-1,3';

export const guest = z.strictObject({
  floor_mib: whole(64, MAX_MIB).describe(
    'Below this the back end asks the guest for nothing. It must hold the kernel and what always runs there.',
  ),
  ceiling_mib: whole(64, MAX_MIB).describe(
    'How far the guest may ever grow. At most what it was booted with: growing beyond that has crashed guests’ kernels.',
  ),
  weight: whole(1, 65_535)
    .optional()
    .describe(
      'Its share of the CPUs under credit2, against other domains of the pool. Left out: as the toolstack set it.',
    ),
  cpus: z
    .string()
    .regex(CPU_LIST, { error: CPU_LIST_FORM })
    .meta({ form: CPU_LIST_FORM })
    .optional()
    .describe('Physical CPUs that its virtual ones may run on. Left out: as the toolstack set it.'),
});

export const xen = z.strictObject({
  arena_mib: whole(0, MAX_ARENA_MIB)
    .default(0)
    .describe(
      'Memory of dom0 that is lent to applications of Xen guests, over grants. It is taken from dom0 as it is granted: leave dom0 that much (dom0_mem), and raise gnttab_max_frames on Xen’s command line for more than 126. A guest’s agent borrows where it is not 0.',
    ),
  total_mib: whole(64, MAX_MIB)
    .optional()
    .describe(
      'All that the guests and the pool between them may hold. Left out: what they hold, and Xen’s free heap beyond keep_free_mib.',
    ),
  keep_free_mib: whole(0, MAX_MIB)
    .default(32)
    .describe(
      'Of Xen’s free heap, what is given to no guest: Xen needs pages for its own tables, and to create domains.',
    ),
  pool_mib: whole(0, MAX_MIB)
    .default(64)
    .describe(
      'What guests at ease are asked for until so much is free, in mode hypervisor: it is what others grow into with nobody’s consent.',
    ),
  balloon_deadline_ms: whole(100, 600_000)
    .default(5000)
    .describe(
      'Time a balloon has for one move. A board takes 0.1 to 0.5 ms a MiB; an emulated one some 20, when it is idle.',
    ),
  balloon_stall_ms: whole(50, 60_000)
    .default(250)
    .describe('A balloon that stands still for so long is nudged, and given up after some nudges.'),
  reserve_mib: whole(4, MAX_MIB)
    .default(24)
    .describe(
      'What a guest holds ahead of need at least, however quiet it was. At most policy.step_cap_mib counts. 24 are there for what no forecast sees; a balloon that is slow wants more.',
    ),
  horizon_ms: whole(50, 60_000)
    .default(500)
    .describe(
      'How soon a guest that is short can have got more: a report, a plan, another guest’s balloon. What its programs took within so long before, and what their rise comes to in it, is what it keeps ahead of need.',
    ),
  single_pages: z
    .boolean()
    .default(true)
    .describe(
      'Whether the kernel of a guest whose reservation is moved leaves off looking for large free pages unasked, which a balloon has broken up: no proactive compaction, none for packets.',
    ),
  balloon_priority: whole(1, 99)
    .optional()
    .describe('Real-time priority of the kernel’s xen-balloon thread in a guest. Left out: as the kernel set it.'),
  event_channel_cpu: whole(0, 1023)
    .optional()
    .describe('CPU that takes the interrupts of event channels. Left out: as the kernel set it.'),
  rate_limit_us: z
    .union([z.literal(0), whole(100, 500_000)])
    .meta({ form: '0 (none) or 100 to 500000' })
    .optional()
    .describe(
      'credit2: a domain that has begun to run is not preempted for so long. Xen’s own is 1000; shorter wakes a guest sooner. Left out: as it is.',
    ),
});
