import type { Rival } from '../rival.ts';

/** What most boards have: each guest has its half, whatever it needs. */
export const staticSplit: Rival = {
  name: 'static split',
  about: 'each guest has half of the memory, always',
  begin: async () => ({ end: async () => {} }),
};
