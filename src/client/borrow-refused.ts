import { refusalRemedy, refusalText } from '../coordination/refusals.ts';
import { MemtideError } from '../errors.ts';
import type { Refusal } from '../platforms/contracts.ts';
import { formatBytes } from '../units.ts';

/** A request that could not be met. `refusal` says why. */
export class BorrowRefused extends MemtideError {
  readonly refusal: Refusal;

  constructor(byteLength: number, refusal: Refusal, waitedMillis: number) {
    super({
      operation: `borrow ${formatBytes(byteLength)}`,
      actual: `${refusalText(refusal)} (waited ${waitedMillis.toFixed(1)} ms)`,
      remedy: refusalRemedy(refusal),
    });
    this.refusal = refusal;
  }
}
