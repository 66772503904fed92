import type uPlot from 'uplot';
import type { Scene } from '../scene.ts';

/** What a plot of the timeline is given. */
export interface PlotContext {
  readonly host: HTMLElement;
  readonly stepped: uPlot.Series.PathBuilder;
  readonly onCursor: (timeMillis: number | undefined) => void;
  /** Hears of each uPlot that is made, to listen to its gestures. */
  readonly onMade: (plot: uPlot) => void;
}

/** A plot of the timeline. Made anew when the theme changes. */
export interface ScenePlot {
  show(scene: Scene): void;
  destroy(): void;
}
