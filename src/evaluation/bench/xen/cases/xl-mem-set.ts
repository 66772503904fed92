import { bytes } from '../../../../units.ts';
import type { XenCase } from '../case.ts';

/** What an administrator has: the toolstack’s command, run in dom0 as soon as the guest asks. */
export const xlMemSet: XenCase = {
  name: 'xl-mem-set',
  about: '`xl mem-set` in dom0 at the guest’s request',
  grows: true,
  before: async ({ dom0 }, held, by) => {
    await dom0.call('mirrorTarget', { bytes: held });
    await dom0.call('setCap', { bytes: held + by });
  },
  take: async ({ dom0, holds }, held, by) => {
    const done = dom0.call('memSet', { bytes: held + by });
    await Promise.all([done, holds(bytes(held + by))]);
  },
};
