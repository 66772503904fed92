/** Every check, in the order in which they are shown. */
import type { Check } from './check.ts';
import { BASE_CHECKS } from './checks-base.ts';
import { MEMORY_CHECKS } from './checks-memory.ts';
import { RIGHTS_CHECKS } from './checks-rights.ts';
import { WIRE_CHECKS } from './checks-wires.ts';
import { XEN_CHECKS } from './checks-xen.ts';

export const CHECKS: readonly Check[] = [
  ...BASE_CHECKS,
  ...MEMORY_CHECKS,
  ...RIGHTS_CHECKS,
  ...WIRE_CHECKS,
  ...XEN_CHECKS,
];
