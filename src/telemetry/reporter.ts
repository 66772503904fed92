/** Turns records into stamped messages, once, and hands each to every sink: what is logged is what is published. */
import type { BurstRecord, PressureSample } from '../records.ts';
import type { Micros } from '../units.ts';
import type { ReportPayload } from './schema.ts';
import type { Stamper } from './stamp.ts';
import type { Report } from './topics.ts';
import { type AllocReading, allocPayload, burstPayload, memPayload, psiPayload } from './wire.ts';

/** Reports that flow; `state` and `info` belong to the connection, `event/gap` to the spool. */
export type FlowReport = Exclude<Report, 'state' | 'info' | 'event/gap'>;

export interface ReportSink {
  /** Takes a message; never blocks and never throws. What cannot be kept is counted by the sink. */
  take<Kind extends FlowReport>(report: Kind, payload: ReportPayload<Kind>): void;
}

export type MarkSource = ReportPayload<'event/mark'>['source'];

export class Reporter {
  readonly #stamper: Stamper;
  readonly #sinks: readonly ReportSink[];

  constructor(stamper: Stamper, sinks: readonly ReportSink[]) {
    this.#stamper = stamper;
    this.#sinks = sinks;
  }

  /** A sample becomes `tele/mem`, and `tele/psi` where it has PSI; both bear the instant of the reading. */
  pressure(sample: PressureSample): void {
    this.#send('tele/mem', memPayload(this.#stamper.stamp('tele/mem', sample.atMicros), sample));
    if (sample.psi === undefined) return;
    const psi = psiPayload(this.#stamper.stamp('tele/psi', sample.atMicros), sample);
    if (psi) this.#send('tele/psi', psi);
  }

  alloc(reading: AllocReading, at?: Micros): void {
    this.#send('tele/alloc', allocPayload(this.#stamper.stamp('tele/alloc', at), reading));
  }

  burst(record: BurstRecord): void {
    this.#send('event/burst', burstPayload(this.#stamper.stamp('event/burst', record.atMicros), record));
  }

  /** A moment that somebody marked. */
  mark(source: MarkSource, label?: string, at?: Micros): void {
    const stamp = this.#stamper.stamp('event/mark', at);
    this.#send('event/mark', { ...stamp, source, ...(label === undefined ? {} : { label: label.slice(0, 1024) }) });
  }

  #send<Kind extends FlowReport>(report: Kind, payload: ReportPayload<Kind>): void {
    for (const sink of this.#sinks) sink.take(report, payload);
  }
}
