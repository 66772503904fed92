import { errorMessage } from '../errors.ts';

/** The part of the `epoll` package (a dependency of onoff) that is used. It works in the main thread only. */
export interface Poller {
  add(descriptor: number, events: number): unknown;
  remove(descriptor: number): unknown;
  close(): void;
}

export interface EpollPackage {
  readonly Epoll: {
    new (callback: (error: Error | null, descriptor: number, events: number) => void): Poller;
    readonly EPOLLPRI: number;
    readonly EPOLLERR: number;
  };
}

export type EpollResult =
  | { readonly ok: true; readonly epoll: EpollPackage }
  | { readonly ok: false; readonly reason: string };

/** Loads the optional package when it is first wanted: it is compiled at installation, and that may have failed. */
export async function loadEpoll(): Promise<EpollResult> {
  const name: string = 'epoll'; // Not a literal in import(): the package ships no types and may be absent.
  try {
    const loaded = (await import(name)) as { default: EpollPackage };
    return { ok: true, epoll: loaded.default };
  } catch (error) {
    const [firstLine] = errorMessage(error).split('\n');
    return { ok: false, reason: `the optional package epoll cannot be loaded (${firstLine}): npm install epoll` };
  }
}
