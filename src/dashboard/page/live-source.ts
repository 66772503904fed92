/** The live drive: everything so far, then each line as it comes. Comes back by itself, without losing a line. */
import { parseDriveLine } from '../../telemetry/drive/format.ts';
import type { DriveModel } from './data/drive-model.ts';
import { count, quantity, text } from './data/fields.ts';
import { loadDrive } from './loader.ts';

/** Of the server's connection to the broker. */
export interface BrokerNews {
  readonly url: string;
  readonly state: 'connecting' | 'connected' | 'lost';
  readonly reason?: string;
  readonly sinceMillis: number;
  readonly refused: number;
  readonly otherVehicles: number;
}

export interface LiveListener {
  readonly onModel: (model: DriveModel) => void;
  /** The model has more than before. */
  readonly onNews: () => void;
  readonly onBroker: (news: BrokerNews) => void;
  /** Whether the server answers. */
  readonly onServer: (reachable: boolean) => void;
}

const RETRY_MILLIS = 1000;

export class LiveSource {
  readonly #listener: LiveListener;
  #abort = new AbortController();
  #events: EventSource | undefined;

  constructor(listener: LiveListener) {
    this.#listener = listener;
  }

  /** Loads what there is and follows; a second call begins anew. */
  start(): void {
    this.stop();
    this.#abort = new AbortController();
    void this.#run(this.#abort.signal);
  }

  stop(): void {
    this.#abort.abort();
    this.#events?.close();
    this.#events = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const { model, next } = await this.#load(signal);
        if (signal.aborted) return;
        this.#listener.onServer(true);
        this.#listener.onModel(model);
        this.#follow(model, next);
        return;
      } catch {
        if (signal.aborted) return;
        this.#listener.onServer(false);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MILLIS));
      }
    }
  }

  async #load(signal: AbortSignal): Promise<{ model: DriveModel; next: string }> {
    let next = '';
    const open = async () => {
      const response = await fetchDrive(signal);
      next = response.headers.get('memtide-next') ?? '';
      return [response.body];
    };
    const model = await loadDrive(open, { onProgress: (partly) => this.#listener.onModel(partly), signal });
    return { model, next };
  }

  #follow(model: DriveModel, next: string): void {
    const events = new EventSource(`/events?after=${encodeURIComponent(next)}`);
    this.#events = events;
    events.addEventListener('open', () => this.#listener.onServer(true));
    events.addEventListener('error', () => {
      this.#listener.onServer(false);
      // Whatever it is, the browser tries again by itself unless it has been told not to.
      if (events.readyState === EventSource.CLOSED && this.#events === events)
        setTimeout(() => this.start(), RETRY_MILLIS);
    });
    events.addEventListener('lines', ({ data }: MessageEvent<string>) => {
      for (const line of data.split('\n')) model.ingest(parseDriveLine(line));
      if (model.clocksLearned) this.start();
      else this.#listener.onNews();
    });
    events.addEventListener('restart', () => this.start());
    events.addEventListener('broker', ({ data }: MessageEvent<string>) => this.#listener.onBroker(brokerNews(data)));
  }
}

/** Everything heard so far. @throws Error when the server has none to give. */
export async function fetchDrive(
  signal: AbortSignal,
): Promise<Response & { readonly body: ReadableStream<Uint8Array> }> {
  const response = await fetch('/drive', { signal });
  if (!response.ok || !response.body) throw new Error(`the server answers ${response.status}`);
  return response as Response & { readonly body: ReadableStream<Uint8Array> };
}

function brokerNews(data: string): BrokerNews {
  const { url, state, reason, sinceMillis, refused, otherVehicles } = JSON.parse(data) as Record<string, unknown>;
  const why = text(reason);
  return {
    url: text(url) ?? '',
    state: state === 'connected' || state === 'lost' ? state : 'connecting',
    ...(why === undefined ? {} : { reason: why }),
    sinceMillis: quantity(sinceMillis) ?? 0,
    refused: count(refused) ?? 0,
    otherVehicles: count(otherVehicles) ?? 0,
  };
}
