/**
 * A program that wants a CPU for itself: `work` and `rest`. It never sleeps while it works, and ends with its parent.
 */
export type HogCall = { readonly call: 'work' | 'rest' };

/** Between two looks for a message; short, so that a run ends when it is told to. */
const SLICE_MILLIS = 2;

let working = false;

function work(): void {
  if (!working) return;
  for (const until = performance.now() + SLICE_MILLIS; performance.now() < until; );
  setImmediate(work);
}

process.on('message', ({ call }: HogCall) => {
  const begins = call === 'work' && !working;
  working = call === 'work';
  if (begins) setImmediate(work);
  process.send!({});
});
process.on('disconnect', () => process.exit(0));
