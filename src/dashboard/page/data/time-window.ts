/** The span of time that is in view. Pure: each change gives a new one. */
export interface TimeWindow {
  readonly fromMillis: number;
  readonly toMillis: number;
}

/** What there is to see. */
export type Extent = TimeWindow;

const SHORTEST_MILLIS = 200;
/** Beyond the ends there is nothing, but the last reading should not stick to the edge. */
const MARGIN = 0.02;

export const spanOf = ({ fromMillis, toMillis }: TimeWindow): number => toMillis - fromMillis;

/** @param factor below 1 comes closer. @param aroundMillis stays where it is. */
export function zoomed(window: TimeWindow, factor: number, aroundMillis: number, extent: Extent): TimeWindow {
  const longest = Math.max(SHORTEST_MILLIS, spanOf(extent) * (1 + 2 * MARGIN));
  const span = Math.min(longest, Math.max(SHORTEST_MILLIS, spanOf(window) * factor));
  const share = (aroundMillis - window.fromMillis) / spanOf(window);
  const fromMillis = aroundMillis - span * share;
  return within({ fromMillis, toMillis: fromMillis + span }, extent);
}

export const panned = ({ fromMillis, toMillis }: TimeWindow, byMillis: number, extent: Extent): TimeWindow =>
  within({ fromMillis: fromMillis + byMillis, toMillis: toMillis + byMillis }, extent);

/** The same span, shifted so that it shows as much of the extent as it can. */
export function within(window: TimeWindow, extent: Extent): TimeWindow {
  const span = spanOf(window);
  const margin = Math.min(spanOf(extent) * MARGIN, span / 2); // close to an end, half of it at least shows the drive
  const [least, most] = [extent.fromMillis - margin, extent.toMillis + margin];
  if (span >= most - least) {
    const middle = (extent.fromMillis + extent.toMillis) / 2;
    return { fromMillis: middle - span / 2, toMillis: middle + span / 2 };
  }
  const fromMillis = Math.min(Math.max(window.fromMillis, least), most - span);
  return { fromMillis, toMillis: fromMillis + span };
}

export const whole = ({ fromMillis, toMillis }: Extent): TimeWindow => {
  const margin = Math.max(SHORTEST_MILLIS, (toMillis - fromMillis) * MARGIN);
  return { fromMillis: fromMillis - margin, toMillis: toMillis + margin };
};
