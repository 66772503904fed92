import type { XenCase } from '../case.ts';

/** The floor of those that grow: the memory is there, and fresh pages are touched. What tier 0, grown ahead of need, comes to. */
export const localFresh: XenCase = {
  name: 'local-fresh',
  about: 'memory that the guest holds already (tier 0), as fresh pages of a program',
  grows: false,
  take: async () => {},
};
