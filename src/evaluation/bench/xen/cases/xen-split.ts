import { bytes } from '../../../../units.ts';
import type { XenCase } from '../case.ts';

/** Tier 2: dom0 asks another guest, counts what it gave, lets this one grow. */
export const xenSplit: XenCase = {
  name: 'xen-split',
  about: 'through dom0 from another guest’s balloon, each step counted by Xen (tier 2)',
  grows: true,
  before: async ({ dom0 }, held) => {
    await dom0.call('setCap', { bytes: held });
    await dom0.call('refillDonor');
  },
  take: async ({ dom0, driver, holds }, held, by) => {
    await dom0.call('split', { bytes: by });
    const wanted = bytes(held + by);
    driver.setTarget(wanted);
    await holds(wanted);
  },
};
