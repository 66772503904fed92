/**
 * Who rings whom: the source bits of the doorbells.
 *
 * A front end's bell is rung by its applications (their session, 1 to 127), by the back end and by its own main thread.
 * The back end's bell is rung by the front ends: each by the number of its pair.
 */
export const SOURCE_BACKEND = 254;
export const SOURCE_MAIN = 255;
/** Most domains on one back end. */
export const MAX_PAIRS = 128;
