/** A GPIO line that is open: what sysfs and the programs of libgpiod both give. */
export interface GpioOutput {
  /** `sysfs` sets a line within microseconds, `libgpiod` within milliseconds: say so beside what is measured with it. */
  readonly via: 'sysfs' | 'libgpiod';
  /** 1 is the active level. A failure goes to the `onFailure` that was given at opening. */
  set(value: 0 | 1): void;
  /** Sets 0 and lets go. */
  close(): Promise<void>;
}

export interface GpioInput {
  readonly via: 'sysfs' | 'libgpiod';
  close(): Promise<void>;
}

/** Called at every edge with the level after it; 1 is active. */
export type OnEdge = (level: 0 | 1) => void;
export type OnFailure = (reason: string) => void;

export type GpioResult<Line> =
  | { readonly ok: true; readonly line: Line }
  | { readonly ok: false; readonly reason: string };
