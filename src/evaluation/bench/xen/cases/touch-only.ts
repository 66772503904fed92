import { memset } from '../../../../native/libc.ts';
import { type Mapping, mapPrivate, unmapPrivate } from '../../../../native/mapping.ts';
import type { XenCase } from '../case.ts';

/** The floor of a lease: memory that the program has had all along, resident and zeroed, is written to. */
function residentMemory(): XenCase {
  let region: Mapping;
  return {
    name: 'touch-only',
    about: 'memory of the program that is resident and zeroed already, touched',
    grows: false,
    async before(_, __, by) {
      region = mapPrivate(by, { what: 'resident memory of the bench' });
      memset(region.address, 0, by);
    },
    take: async () => {},
    touch: (by) => memset(region.address, 1, by),
    after: async () => unmapPrivate(region),
  };
}

export const touchOnly = residentMemory();
