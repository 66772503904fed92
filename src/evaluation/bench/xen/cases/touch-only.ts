import type { XenCase } from '../case.ts';

/** The floor of all others: the memory is there, and is touched. What tier 0, grown ahead of need, comes to. */
export const touchOnly: XenCase = {
  name: 'touch-only',
  about: 'memory that the guest holds already (tier 0), touched',
  grows: false,
  take: async () => {},
};
