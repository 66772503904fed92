import type { PlaneScheduling } from '../../../coordination/plane-constructs.ts';

/** The scheduler constructs that are measured against each other. Pure. */
export interface Construct {
  readonly name: string;
  readonly isDefault: boolean;
  /** Where the two differ, each side has a CPU of its own. */
  readonly backend: PlaneScheduling;
  readonly frontend: PlaneScheduling;
}

/** Longer than an answer takes, far shorter than a scheduler's slice. */
const SPIN_MICROS = 50;

/**
 * @param preset what the configuration comes to when nothing is said.
 * @param cpus that the bench may run on.
 * @param quick the ones that the decision is between.
 */
export function constructsToMeasure(preset: PlaneScheduling, cpus: readonly number[], quick: boolean): Construct[] {
  const [first, second] = cpus;
  const nice = preset.nice ?? 0;
  const fifo: PlaneScheduling = {
    policy: 'fifo',
    ...(preset.fifoPriority === undefined ? {} : { fifoPriority: preset.fifoPriority }),
  };
  const both = (name: string, scheduling: PlaneScheduling): Construct => ({
    name,
    isDefault: false,
    backend: scheduling,
    frontend: scheduling,
  });
  const apart = (name: string, scheduling: PlaneScheduling): Construct[] =>
    second === undefined
      ? []
      : [
          {
            ...both(name, scheduling),
            backend: { ...scheduling, cpu: first! },
            frontend: { ...scheduling, cpu: second },
          },
        ];
  const preferred: Construct = { ...both(nameOf(preset), preset), isDefault: true };
  const wanted = [both('none', {}), both(`nice ${nice}`, { nice }), both(nameOf(fifo), fifo), preferred];
  const others = [
    both('one CPU', { cpu: first! }),
    ...apart('a CPU each', {}),
    both(`spin ${SPIN_MICROS} µs`, { spinMicros: SPIN_MICROS }),
    ...apart(`spin ${SPIN_MICROS} µs, a CPU each`, { spinMicros: SPIN_MICROS }),
    both(`${preferred.name}, one CPU`, { ...preset, cpu: first! }),
    ...apart(`${preferred.name}, a CPU each`, preset),
  ];
  const all = quick ? wanted : [...wanted, ...others];
  // The default may be one of the plain ones.
  return all.filter(({ name, isDefault }) => isDefault || name !== preferred.name);
}

function nameOf({ policy, fifoPriority, nice, cpu, spinMicros = 0 }: PlaneScheduling): string {
  const parts = [
    ...(policy === 'fifo' ? [fifoPriority === undefined ? 'fifo' : `fifo ${fifoPriority}`] : []),
    ...(nice === undefined || nice === 0 ? [] : [`nice ${nice}`]),
    ...(cpu === undefined ? [] : [`CPU ${cpu}`]),
    ...(spinMicros > 0 ? [`spin ${spinMicros} µs`] : []),
  ];
  return parts.join(', ') || 'none';
}
