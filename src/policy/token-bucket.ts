/**
 * How fast a domain may grow. A domain that asks for everything at once (a leak, a hostile guest) gets its burst and
 * from then on a rate, so the others keep the time to react. Pure: the state is a value and the time an argument.
 */

export interface BucketRule {
  readonly bytesPerSecond: number;
  /** The most that can be saved up, and so the largest burst that is served at full speed. */
  readonly burstBytes: number;
}

export interface Bucket {
  readonly tokenBytes: number;
  readonly atMicros: number;
}

export const fullBucket = (rule: BucketRule, nowMicros: number): Bucket => ({
  tokenBytes: rule.burstBytes,
  atMicros: nowMicros,
});

/** The bucket as it stands at `nowMicros`. A time before the bucket's own changes nothing. */
export function refilled(bucket: Bucket, rule: BucketRule, nowMicros: number): Bucket {
  if (nowMicros <= bucket.atMicros) return bucket;
  const earned = ((nowMicros - bucket.atMicros) / 1e6) * rule.bytesPerSecond;
  return { tokenBytes: Math.min(rule.burstBytes, bucket.tokenBytes + earned), atMicros: nowMicros };
}

/** Takes `bytes` whole or not at all. @returns the bucket afterwards, or `undefined` where it holds less. */
export function spend(bucket: Bucket, rule: BucketRule, nowMicros: number, bytes: number): Bucket | undefined {
  const now = refilled(bucket, rule, nowMicros);
  if (bytes > now.tokenBytes) return undefined;
  return { tokenBytes: now.tokenBytes - bytes, atMicros: now.atMicros };
}
