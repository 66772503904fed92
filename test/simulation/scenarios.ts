/** The scenarios, each named after what goes wrong in it. */
import type { Geometry } from '../../src/control/layout.ts';
import type { Scenario } from './scenario.ts';

const SMALL: Geometry = { chunkCount: 16, chunkShift: 19, blockShift: 16 };
const LARGE: Geometry = { chunkCount: 256, chunkShift: 18, blockShift: 16 };

const BASE: Omit<Scenario, 'name'> = {
  domains: 2,
  applications: 3,
  geometry: SMALL,
  presentChunks: 16,
  limits: { floorChunks: 2, ceilingChunks: 12, offerChunks: 2 },
  largestLeaseChunks: 6,
  cuts: 0.3,
  faults: {},
  steps: 20_000,
};

export const SCENARIOS: readonly Scenario[] = [
  { ...BASE, name: 'quiet' },
  {
    ...BASE,
    name: 'split mode',
    split: true,
    limits: { floorChunks: 0, ceilingChunks: 12, offerChunks: 0 },
    faults: { killApplication: 0.0005 },
  },
  {
    ...BASE,
    name: 'at the floor',
    domains: 3,
    limits: { floorChunks: 4, ceilingChunks: 12, offerChunks: 1 },
    faults: { slow: 0.001, lostRing: 0.01 },
  },
  { ...BASE, name: 'slow', domains: 3, faults: { slow: 0.002 } },
  { ...BASE, name: 'stuck', faults: { stuck: 0.5 } },
  { ...BASE, name: 'intermittent', faults: { intermittent: 0.7, slow: 0.001 } },
  {
    ...BASE,
    name: 'dead in mid-move',
    faults: { deadInMidMove: 0.02, killApplication: 0.001, killAgent: 0.001, killBackend: 0.0005 },
  },
  {
    ...BASE,
    name: 'stopped and continued after its time limit',
    faults: { stoppedInMidMove: 0.02, stopApplication: 0.001, stopAgent: 0.001, stopBackend: 0.0005 },
  },
  { ...BASE, name: 'torn write', cuts: 0.5, faults: { deadInMidMove: 0.05 } },
  {
    ...BASE,
    name: 'stale heartbeat',
    faults: { stopAgent: 0.001, stoppedMicros: [5_000_000, 60_000_000], killApplication: 0.0005 },
  },
  { ...BASE, name: 'lost doorbell', faults: { lostRing: 0.3 } },
  { ...BASE, name: 'clock jump', faults: { clockJump: 0.001, intermittent: 0.3 } },
  { ...BASE, name: 'hostile peer', domains: 3, faults: { hostile: 0.01, killApplication: 0.0005 } },
  { ...BASE, name: 'hostile ring', domains: 2, faults: { hostile: 0.005, mutations: ['ring index', 'ring entry'] } },
  { ...BASE, name: 'hostile ring tail', domains: 2, faults: { hostile: 0.001, mutations: ['ring tail'] } },
  { ...BASE, name: 'hostile ledger', domains: 2, faults: { hostile: 0.02, mutations: ['ledger'] } },
  {
    ...BASE,
    name: 'moving budgets',
    domains: 3,
    geometry: { ...SMALL, chunkCount: 64 },
    presentChunks: 24,
    limits: { floorChunks: 2, ceilingChunks: 24, offerChunks: 2 },
    budgets: { floorMib: 16, ceilingMib: 128, startMib: 48 },
    faults: { slow: 0.001, stopAgent: 0.0005, stopBackend: 0.0002 },
  },
  {
    ...BASE,
    name: 'everything at once',
    domains: 4,
    geometry: { ...SMALL, chunkCount: 48 },
    presentChunks: 24,
    budgets: { floorMib: 16, ceilingMib: 128, startMib: 48 },
    faults: {
      killApplication: 0.001,
      killAgent: 0.0005,
      killBackend: 0.0002,
      deadInMidMove: 0.01,
      stoppedInMidMove: 0.005,
      stopApplication: 0.0005,
      stopAgent: 0.0003,
      stopBackend: 0.0001,
      slow: 0.001,
      lostRing: 0.05,
      clockJump: 0.0001,
      stuck: 0.2,
      intermittent: 0.2,
    },
  },
  {
    ...BASE,
    name: 'sixty-four domains',
    domains: 64,
    applications: 2,
    geometry: LARGE,
    presentChunks: 256,
    limits: { floorChunks: 1, ceilingChunks: 16, offerChunks: 1 },
    faults: { killApplication: 0.001, killAgent: 0.0005, deadInMidMove: 0.01, lostRing: 0.02, stuck: 0.1 },
  },
];

export function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (!scenario) throw new RangeError(`no scenario "${name}"`);
  return scenario;
}
