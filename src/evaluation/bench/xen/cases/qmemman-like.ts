import { bytes } from '../../../../units.ts';
import { QMEMMAN_CACHE_FACTOR, QMEMMAN_PERIOD_MILLIS } from '../../../rivals/qmemman.ts';
import type { XenCase } from '../case.ts';

let pushing: NodeJS.Timeout | undefined;
let usedBytes = 0;

/**
 * After Qubes OS' qmemman: each guest says every 0.1 s what it uses, and dom0, every 0.1 s, writes targets of 1.3 times that.
 * In its favour: it moves differences below its threshold too, the need is announced before it arises, and the memory is free.
 */
export const qmemmanLike: XenCase = {
  name: 'qmemman-like',
  about: 'use told each 0.1 s, targets of 1.3 × use written each 0.1 s',
  grows: true,
  before: async ({ dom0 }, held, by) => {
    await dom0.call('mirrorTarget', { bytes: held });
    await dom0.call('setCap', { bytes: held + by });
    usedBytes = held / QMEMMAN_CACHE_FACTOR;
    await dom0.call('qmemmanUse', { usedBytes });
    await dom0.call('qmemmanStart');
    pushing = setInterval(() => {
      dom0.call('qmemmanUse', { usedBytes }).catch(() => {}); // told by who waits for the memory
    }, QMEMMAN_PERIOD_MILLIS);
    // The request comes at any point of the period.
    await new Promise((resolve) => setTimeout(resolve, QMEMMAN_PERIOD_MILLIS * (2 + Math.random())));
  },
  take: async ({ holds }, held, by) => {
    usedBytes = (held + by) / QMEMMAN_CACHE_FACTOR;
    await holds(bytes(held + by));
  },
  after: async ({ dom0 }) => {
    clearInterval(pushing);
    await dom0.call('qmemmanStop');
  },
};
