/** A mapping of 5 GiB aborts Node when it is viewed; 3 GiB is fine. */
export const MAX_ARENA_MIB = 3072;
