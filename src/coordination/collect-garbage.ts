/**
 * Has V8 collect this thread's garbage and hand the memory back to the system: what starting the thread and loading its
 * modules used up. V8 does so by itself when an event loop is idle, which a thread that sleeps in a doorbell never is.
 * Of Node's ways to ask for it this one alone shrinks the heap as well: 4 MiB, of the fast plane's thread. Where Node was
 * built without its inspector nothing happens, and the thread is larger.
 */
export async function collectGarbage(): Promise<void> {
  let inspector: typeof import('node:inspector/promises');
  try {
    inspector = await import('node:inspector/promises');
  } catch {
    return;
  }
  const session = new inspector.Session();
  session.connect();
  try {
    await session.post('HeapProfiler.collectGarbage');
  } finally {
    session.disconnect();
  }
}
