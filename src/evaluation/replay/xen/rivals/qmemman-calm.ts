import { SINGLE_PAGES } from '../../../../xen/kernel-constructs.ts';
import { inGuest } from '../guest-program.ts';
import type { Rival } from '../rival.ts';
import { qmemmanLike } from './qmemman-like.ts';

const BEFORE = '/run/memtide-replay.sysctls';
const names = [...SINGLE_PAGES.keys()].join(' ');
const calm = `
  sysctl -n ${names} >${BEFORE}
  sysctl -q ${[...SINGLE_PAGES].map(([name, value]) => `${name}=${value}`).join(' ')}`;
const asBefore = `for name in ${names}; do read -r value; sysctl -q $name=$value; done <${BEFORE}`;

/** A control: how much of what memtide does for a guest is what its agent sets in the guest's kernel (decision 0045). */
export const qmemmanCalm: Rival = {
  name: 'qmemman-like calm',
  about: 'the same in guests whose kernels do not look for large pages, as under memtide',
  begin: async (board) => {
    for (const guest of board.guests) await inGuest(guest, calm);
    const end = async (): Promise<void> => {
      for (const guest of board.guests) await inGuest(guest, asBefore);
    };
    try {
      const running = await qmemmanLike.begin(board);
      return { ...running, end: () => running.end().finally(end) };
    } catch (error) {
      await end();
      throw error;
    }
  },
};
