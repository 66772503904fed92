import { bytes } from '../../../../units.ts';
import type { XenCase } from '../case.ts';

/** A warm process in dom0 that does nothing but write the guest's target to xenstore: the least that any toolstack does. */
export const xenstoreTarget: XenCase = {
  name: 'xenstore-target',
  about: 'a warm process in dom0 writes memory/target at the guest’s request',
  grows: true,
  before: async ({ dom0 }, held, by) => {
    await dom0.call('mirrorTarget', { bytes: held });
    await dom0.call('setCap', { bytes: held + by });
  },
  take: async ({ dom0, holds }, held, by) => {
    const done = dom0.call('writeTarget', { bytes: held + by });
    await Promise.all([done, holds(bytes(held + by))]);
  },
};
