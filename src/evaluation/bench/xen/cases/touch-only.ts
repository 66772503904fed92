import { setTimeout as sleep } from 'node:timers/promises';
import { memset } from '../../../../native/libc.ts';
import { type Mapping, mapPrivate, unmapPrivate } from '../../../../native/mapping.ts';
import type { XenCase } from '../case.ts';

/**
 * In that time others have run on this CPU, such as the agent with its ten beats a second: what was leased has been zeroed by
 * another process, and is no better known to the CPU than this.
 */
const OTHERS_MILLIS = 120;

/** The floor of a lease: memory that the program has had all along, resident and zeroed, is written to. */
function residentMemory(): XenCase {
  let region: Mapping | undefined;
  return {
    name: 'touch-only',
    about: 'memory of the program that is resident and zeroed already, touched',
    grows: false,
    async before(_, __, by) {
      region = mapPrivate(by, { what: 'resident memory of the bench' });
      memset(region.address, 0, by);
      await sleep(OTHERS_MILLIS);
    },
    take: async () => {},
    touch: (by) => memset(region!.address, 1, by),
    async after() {
      if (region) unmapPrivate(region);
      region = undefined;
    },
  };
}

export const touchOnly = residentMemory();
