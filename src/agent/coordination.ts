import type { CoordinationFields, CoordinationPort } from '../coordination/coordination-port.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

/** The name under which the back end publishes and takes part; no domain may have it. */
export const BACKEND_NAME = 'backend';

/** Messages between agents by the connection that carries telemetry. */
export class TelemetryPort implements CoordinationPort {
  #telemetry: Telemetry | undefined;
  #listener: (from: string, content: Buffer) => void = () => {};

  /** For the options of the telemetry that carries the messages. */
  readonly hear = (from: string, content: Buffer): void => this.#listener(from, content);

  through(telemetry: Telemetry): Telemetry {
    this.#telemetry = telemetry;
    return telemetry;
  }

  send(to: string, fields: CoordinationFields): boolean {
    return this.#telemetry?.coordinate(to, fields) === true;
  }

  listen(hear: (from: string, content: Buffer) => void): void {
    this.#listener = hear;
  }
}
