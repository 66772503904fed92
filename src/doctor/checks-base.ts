/** Checks of the ground: operating system, Node, calls into the C library. */
import { type Check, missing, ok } from './check.ts';

/** As in package.json, `engines`. */
const LEAST_NODE = [20, 19] as const;

export const BASE_CHECKS: readonly Check[] = [
  {
    id: 'system',
    area: 'Base',
    title: 'Operating system',
    essential: true,
    judge: ({ system }) => {
      const found = `${system.platform} ${system.kernel ?? ''} on ${system.architecture}`.replace('  ', ' ');
      if (system.platform !== 'linux') {
        return missing(found, 'memtide moves memory by Linux and Xen', ['run it on Linux']);
      }
      if (system.architecture !== 'arm64' && system.architecture !== 'x64') {
        return missing(found, 'the C library is bound on 64-bit ARM and x86 only', ['use a 64-bit kernel and Node']);
      }
      return ok(found);
    },
  },
  {
    id: 'node',
    area: 'Base',
    title: 'Node',
    essential: true,
    judge: ({ system: { node } }) => {
      const [major = 0, minor = 0] = node.split('.').map(Number);
      const [leastMajor, leastMinor] = LEAST_NODE;
      if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return ok(node);
      return missing(node, `memtide needs ${LEAST_NODE.join('.')} or later`, ['install a newer Node (nodejs.org)']);
    },
  },
  {
    id: 'foreign-calls',
    area: 'Base',
    title: 'C library calls (koffi)',
    essential: true,
    judge: ({ system: { foreignCalls } }) =>
      foreignCalls.ok
        ? ok('loads and calls')
        : missing(foreignCalls.reason, 'shared memory cannot be mapped, nor the doorbell rung', [
            'run npm ci on this machine: koffi brings one built file for each architecture',
          ]),
  },
];
