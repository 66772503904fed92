/** The suite's program in a guest: does what dom0 asks, one line of JSON after the other. guest-program.js ADDRESS PORT */
import { systemClock } from '../../src/clock.ts';
import type { ControlFile } from '../../src/control/contracts.ts';
import { readIdentity } from '../../src/control/control-file.ts';
import type { Geometry } from '../../src/control/layout.ts';
import { wordsOf } from '../../src/native/mapping.ts';
import type { MoveResult, ReservationState } from '../../src/platforms/contracts.ts';
import { systemBalloon } from '../../src/platforms/xen/balloon-driver.ts';
import { BalloonRoute } from '../../src/platforms/xen/balloon-route.ts';
import { mebibytes } from '../../src/units.ts';
import { XenConstructs } from '../../src/xen/constructs.ts';
import { DOM0 } from '../../src/xen/device.ts';
import { EventRinger, EventWaiter } from '../../src/xen/event-bell.ts';
import { EventChannels } from '../../src/xen/event-channels.ts';
import { grantControlFile } from '../../src/xen/grant-control-file.ts';
import { type GrantedPages, grantPages } from '../../src/xen/grant-pages.ts';
import { balloonThread } from '../../src/xen/kernel-constructs.ts';
import { type MappedGrants, mapGrants } from '../../src/xen/map-grants.ts';
import { answer } from '../contract/doorbell-program.ts';
import { answerCalls } from './answer-calls.ts';

/** Words of the bells in a shared page: the guest's, and dom0's. */
export const GUEST_BELL = 64;
export const DOM0_BELL = 128;

let channels: EventChannels | undefined;
let port = 0;
let granted: GrantedPages | undefined;
let mapped: MappedGrants | undefined;
let control: ControlFile | undefined;
let reservation: BalloonRoute | undefined;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

const calls = {
  /** Pages for dom0, filled with `first`, `first` + 1, … , and how dom0 maps them. */
  grant(count: number, first: number): readonly number[] {
    granted = grantPages(DOM0, count);
    wordsOf(granted).forEach((_, at, words) => {
      words[at] = first + at;
    });
    return granted.references;
  },
  grantWord: (at: number): number => Atomics.load(wordsOf(granted!), at),
  takeGrantBack: (): void => granted!.close(),
  /** Maps pages of dom0. @returns their sum, as 32 bits. */
  map(references: readonly number[]): number {
    mapped = mapGrants(DOM0, references);
    return wordsOf(mapped).reduce((sum, word) => (sum + word) | 0, 0);
  },
  unmap: (): void => mapped!.close(),
  offerChannel(): number {
    channels = new EventChannels();
    port = channels.bindUnbound(DOM0);
    return port;
  },
  /** When this program ends, the byte becomes 0 and dom0 hears from the channel. */
  notifyOfEnd: (byte: number): void => granted!.notify({ byte, port }),
  /** The other side of the doorbell contract, on the first granted page. Ends when it hears `stop`. */
  answer(): number {
    const words = wordsOf(granted!);
    answer(
      new EventWaiter(channels!, [{ words, at: GUEST_BELL, port }]),
      new EventRinger(channels!, { words, at: DOM0_BELL, port }),
    );
    return 0;
  },
  die: (): void => process.kill(process.pid, 'SIGKILL') as never,
  /** This guest's reservation, in MiB. */
  openReservation(floor: number, ceiling: number, boot: number): void {
    reservation = new BalloonRoute({
      driver: systemBalloon(),
      limits: { floor: mebibytes(floor), ceiling: mebibytes(ceiling) },
      bootBytes: mebibytes(boot),
      deadlineMillis: 120_000,
      // The emulator's own machine may be busy for seconds.
      stallMillis: 3000,
      clock: systemClock,
      sleep: (millis) => Atomics.wait(sleeper, 0, 0, millis),
    });
  },
  reservation: (): ReservationState => reservation!.state(),
  grow: (mib: number): MoveResult => reservation!.grow(mebibytes(mib)),
  shrink: (mib: number): MoveResult => reservation!.shrink(mebibytes(mib)),
  /** How the kernel's balloon thread is scheduled: before, while it is asked for real time, and when that is undone. */
  async balloonThread(priority: number): Promise<Record<'before' | 'during' | 'after', string>> {
    const construct = balloonThread(priority);
    const before = await construct.read();
    const constructs = new XenConstructs();
    await constructs.apply([construct]);
    const during = await construct.read();
    await constructs.undo();
    return { before, during, after: await construct.read() };
  },
  grantControlFile(geometry: Geometry): readonly number[] {
    const { file, pages } = grantControlFile(DOM0, geometry);
    control = file;
    return pages.references;
  },
  readIdentity: (): ReturnType<typeof readIdentity> => readIdentity(control!.words, 'granted control file'),
  controlWord: (at: number): number => Atomics.load(control!.words, at),
  exchangeControlWord: (at: number, value: number): number => Atomics.exchange(control!.words, at, value),
};

export type GuestCall = typeof calls;
export type GuestResult<Name extends keyof GuestCall> = Awaited<ReturnType<GuestCall[Name]>>;

answerCalls(calls);
