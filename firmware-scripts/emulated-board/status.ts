/** What the agents say over MQTT, heard from outside the board, and shown as one line a domain. */

import type { ReportMessage } from '../../src/demo/demo-state.ts';
import { Subscription } from '../../src/demo/subscription.ts';
import { formatBytes } from '../../src/units.ts';

interface DomainStatus {
  online: boolean;
  about?: string;
  usedBytes?: number;
  limitBytes?: number;
  somePercent?: number;
  messages: number;
}

export class Status {
  readonly #domains = new Map<string, DomainStatus>();
  readonly #subscription: Subscription;

  constructor(brokerPort: number) {
    const brokerUrl = `mqtt://127.0.0.1:${brokerPort}`;
    this.#subscription = new Subscription({ brokerUrl, base: 'memtide', onReport: (message) => this.#take(message) });
  }

  start(): Promise<void> {
    return this.#subscription.start();
  }

  stop(): Promise<void> {
    return this.#subscription.stop();
  }

  isOnline(name: string): boolean {
    return this.#domains.get(name)?.online === true;
  }

  lines(names: readonly string[]): string[] {
    return names.map((name) => {
      const now = this.#domains.get(name);
      if (!now) return `${name.padEnd(14)} not heard of`;
      const figure = (bytes: number | undefined): string => (bytes === undefined ? '-' : formatBytes(bytes));
      const stalls = now.somePercent === undefined ? '-' : `${now.somePercent.toFixed(1)} %`;
      return [
        `${name.padEnd(14)} ${now.online ? 'online ' : 'offline'}`,
        `used ${figure(now.usedBytes).padStart(9)} of ${figure(now.limitBytes).padStart(9)}`,
        `stalled ${stalls.padStart(6)}`,
        `${now.messages} messages`,
        now.about ?? '',
      ].join('  ');
    });
  }

  #take(message: ReportMessage): void {
    const { domain, report, payload } = message;
    const now = this.#domains.get(domain) ?? { online: false, messages: 0 };
    this.#domains.set(domain, now);
    now.messages++;
    if (report === 'state') now.online = payload.status === 'online';
    else if (report === 'info') now.about = `memtide ${payload.memtide}, Node ${payload.node}, Linux ${payload.kernel}`;
    else if (report === 'tele/mem') {
      if (payload.used_bytes !== undefined) now.usedBytes = payload.used_bytes;
      if (payload.limit_bytes !== undefined) now.limitBytes = payload.limit_bytes;
    } else if (report === 'tele/psi') now.somePercent = payload.some_avg10_percent;
  }
}
