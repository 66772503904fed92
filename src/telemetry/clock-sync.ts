/** Whether the kernel holds the wall clock for synchronised: what adjtimex(2) returns when it is only asked. */
import koffi from 'koffi';
import { errorMessage } from '../errors.ts';

export type SyncState =
  | { readonly known: true; readonly synced: boolean }
  | { readonly known: false; readonly reason: string };
/** Asks the kernel now. Never throws. */
export type ReadSyncState = () => SyncState;

/**
 * sizeof(struct timex) is 208 on 64-bit Linux (uapi/linux/timex.h). All zero means `modes` = 0: nothing is set, so no
 * right is needed. The room to spare is for a kernel that knows a larger one.
 */
const TIMEX_BYTES = 512;
/** The clock is not synchronised: STA_UNSYNC is set, as at boot until an NTP client has spoken. */
const TIME_ERROR = 5;

/** Binds adjtimex; where that fails (an unusual libc), every answer is that reason. */
export function adjtimexReader(): ReadSyncState {
  const timex = new Uint8Array(TIMEX_BYTES);
  let adjtimex: (timex: Uint8Array) => number;
  try {
    adjtimex = koffi.load(null).func('int adjtimex(_Inout_ uint8_t*)') as typeof adjtimex;
  } catch (error) {
    const reason = `adjtimex cannot be bound: ${errorMessage(error)}`;
    return () => ({ known: false, reason });
  }
  return () => {
    timex.fill(0);
    const state = adjtimex(timex);
    // -1 is what a seccomp filter of a container answers.
    return state < 0 ? { known: false, reason: 'adjtimex was refused' } : { known: true, synced: state !== TIME_ERROR };
  };
}
