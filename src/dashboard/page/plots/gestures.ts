/**
 * Pan and zoom with mouse, pen and fingers: dragging pans, two fingers or the wheel with Ctrl zoom, a sideways wheel pans,
 * a double click shows everything. A click that moved nothing is a choice.
 */
import type uPlot from 'uplot';

export interface GestureOutcomes {
  readonly pan: (byMillis: number) => void;
  readonly zoom: (factor: number, aroundMillis: number) => void;
  readonly showAll: () => void;
  /** @param left @param top in the plot, in CSS pixels. */
  readonly choose?: (left: number, top: number) => void;
}

/** Further than this is no click. */
const CLICK_PIXELS = 4;

export function listenToGestures(plot: uPlot, outcomes: GestureOutcomes): void {
  const { over } = plot;
  const pointers = new Map<number, { readonly left: number; readonly top: number }>();
  let moved = 0;
  const millisOf = (pixels: number): number => plot.posToVal(pixels, 'x') - plot.posToVal(0, 'x');
  const place = ({ clientX, clientY }: MouseEvent): { left: number; top: number } => {
    const rect = over.getBoundingClientRect();
    return { left: clientX - rect.left, top: clientY - rect.top };
  };

  over.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    if (pointers.size === 0) moved = 0;
    pointers.set(event.pointerId, place(event));
    over.setPointerCapture(event.pointerId);
  });
  over.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, now);
    if (other) {
      const [from, to] = [Math.abs(before.left - other.left), Math.abs(now.left - other.left)];
      if (from > 0 && to > 0) outcomes.zoom(from / to, plot.posToVal((now.left + other.left) / 2, 'x'));
      moved = Number.POSITIVE_INFINITY;
      return;
    }
    moved += Math.abs(now.left - before.left) + Math.abs(now.top - before.top);
    if (moved > CLICK_PIXELS) outcomes.pan(-millisOf(now.left - before.left));
  });
  const released = (event: PointerEvent): void => {
    const at = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (at && event.type === 'pointerup' && moved <= CLICK_PIXELS) outcomes.choose?.(at.left, at.top);
  };
  over.addEventListener('pointerup', released);
  over.addEventListener('pointercancel', released);
  over.addEventListener('dblclick', () => outcomes.showAll());
  over.addEventListener(
    'wheel',
    (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        outcomes.zoom(1.0015 ** event.deltaY, plot.posToVal(place(event).left, 'x'));
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        outcomes.pan(millisOf(event.deltaX || event.deltaY));
      }
    },
    { passive: false },
  );
}
