import { setTimeout as sleep } from 'node:timers/promises';
import { pageSizeBytes } from '../../../native/page-size.ts';
import type { Bytes } from '../../../units.ts';
import { XEN_PAGE_BYTES } from '../../../xen/page-size.ts';
import type { XenBench } from './case.ts';
import { countTouches, DomainCounter, type DomainCounts, medianOf, type TouchCounts } from './domain-counts.ts';
import { atRequest, serve, type XenRequest } from './request.ts';

/** What is done for one request, here and in dom0: medians over rounds. Emulated times distort; counts do not. */
export interface XenCounts {
  readonly case: string;
  readonly bytes: Bytes;
  readonly rounds: number;
  readonly guest: DomainCounts & TouchCounts;
  readonly dom0: DomainCounts;
  /** The same for as long as a request took, while nobody asked: beats and reports of agents; in dom0 the bench's own call. */
  readonly guest_at_rest: DomainCounts;
  readonly dom0_at_rest: DomainCounts;
}

/** What the bench's program in dom0 answers: `BenchDom0`. */
type CountCall = 'countOpen' | 'countStart' | 'countStop' | 'countClose';

/**
 * Serves each request a few times more, counted instead of timed. The guest is counted from right before the request to
 * right after it; dom0 from before that to after it, so that its figures hold the bench's own messages, as those at rest do.
 * @param onEach before each; false ends it.
 * @throws MemtideError where the kernel of this guest or of dom0 cannot count.
 */
export async function countRequests(
  bench: XenBench,
  requests: readonly XenRequest[],
  rounds: number,
  onEach: (request: XenRequest) => boolean,
): Promise<XenCounts[]> {
  const dom0 = (call: CountCall): Promise<DomainCounts> => bench.dom0.call(call);
  const here = DomainCounter.open({ leaveOutOwn: true });
  const pageBytes = pageSizeBytes() ?? XEN_PAGE_BYTES;
  const counts: XenCounts[] = [];
  try {
    await dom0('countOpen');
    for (const request of requests) {
      if (!onEach(request)) break;
      const seen: Pick<XenCounts, 'guest' | 'dom0' | 'guest_at_rest' | 'dom0_at_rest'>[] = [];
      for (let round = 0; round < rounds; round++) {
        const { micros, ...busy } = await atRequest(bench, request, async () => {
          await dom0('countStart');
          here.start();
          const touches = countTouches(pageBytes);
          const { usable, touch } = await serve(bench, request);
          const guest = { ...here.stop(), ...touches() };
          return { guest, dom0: await dom0('countStop'), micros: usable + touch };
        });
        await dom0('countStart');
        here.start();
        await sleep(micros / 1000);
        const rest = here.stop();
        seen.push({ ...busy, guest_at_rest: rest, dom0_at_rest: await dom0('countStop') });
      }
      counts.push({
        case: request.each.name,
        bytes: request.by,
        rounds,
        guest: medianOf(seen.map(({ guest }) => guest)),
        guest_at_rest: medianOf(seen.map((each) => each.guest_at_rest)),
        dom0: medianOf(seen.map((each) => each.dom0)),
        dom0_at_rest: medianOf(seen.map((each) => each.dom0_at_rest)),
      });
    }
  } finally {
    here.close();
    await dom0('countClose').catch(() => {});
  }
  return counts;
}
