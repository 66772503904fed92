/** A mapping of 5 GiB aborts Node when it is viewed; 3 GiB is fine. */
export const MAX_ARENA_MIB = 3072;

/** A TiB: larger than any board, small enough that byte counts stay exact. */
export const MAX_MIB = 1024 * 1024;
