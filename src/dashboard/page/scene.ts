/** What is to be seen now: put together once for each picture, and the same for all plots and panels. */
import type { Burst } from './data/burst.ts';
import { between, type DriveModel, type Mark } from './data/drive-model.ts';
import { type Silence, silencesIn } from './data/silences.ts';
import type { TimeWindow } from './data/time-window.ts';
import type { Theme } from './theme.ts';

export interface Scene {
  readonly model: DriveModel;
  readonly theme: Theme;
  readonly window: TimeWindow;
  /** Up to when the drive is known. */
  readonly endMillis: number;
  readonly live: boolean;
  /** In the window. */
  readonly bursts: readonly Burst[];
  readonly marks: readonly Mark[];
  readonly silences: readonly Silence[];
  readonly selected: Burst | undefined;
}

export function sceneOf(given: Omit<Scene, 'bursts' | 'marks' | 'silences'>): Scene {
  const { model, window, endMillis } = given;
  const { fromMillis, toMillis } = window;
  return {
    ...given,
    bursts: between(model.bursts, fromMillis, toMillis),
    marks: between(model.marks, fromMillis, toMillis),
    silences: model.holders.flatMap((domain) => silencesIn(domain, fromMillis, toMillis, endMillis)),
  };
}
