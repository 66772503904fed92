import { bytes } from '../../../../units.ts';
import type { XenCase } from '../case.ts';

/** Tier 1: the guest writes its own target, within an entitlement that was set ahead. Nobody else is on the way. */
export const xenPool: XenCase = {
  name: 'xen-pool',
  about: 'the guest’s own balloon within its entitlement (tier 1)',
  grows: true,
  before: async ({ dom0 }, held, by) => {
    await dom0.call('setCap', { bytes: held + by });
  },
  take: async ({ driver, holds }, held, by) => {
    const wanted = bytes(held + by);
    driver.setTarget(wanted);
    await holds(wanted);
  },
};
