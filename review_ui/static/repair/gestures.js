// Pointers over a picture under repair: one draws, two pan and zoom; wheel zooms, the right or middle button pans.

const WHEEL_ZOOM = 0.0015; // per CSS pixel of the wheel

/**
 * Calls `onBegin(point)`, `onMove(point)`, `onEnd()` for a stroke, `onCancel()` when it becomes another gesture, `onHover(point)`
 * with null when the pointer leaves, `onPan(dx, dy)` and `onZoom(point, factor)`; points in CSS pixels of `canvas`.
 */
export function listenForGestures(canvas, { onBegin, onMove, onEnd, onCancel, onHover, onPan, onZoom }) {
  const down = new Map(); // pointerId -> its last place
  let stroke = null; // the pointer that draws
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const cancel = () => {
    if (stroke !== null) onCancel();
    stroke = null;
  };

  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, at(event));
    if (down.size > 1 || event.button > 0) return cancel();
    stroke = event.pointerId;
    onBegin(at(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const point = at(event);
    if (event.pointerType !== "touch") onHover(point);
    const last = down.get(event.pointerId);
    if (!last) return;
    if (event.pointerId === stroke) {
      for (const step of event.getCoalescedEvents?.() ?? []) onMove(at(step));
      onMove(point);
    } else if (down.size === 1) {
      onPan(point.x - last.x, point.y - last.y);
    } else {
      const other = [...down].find(([id]) => id !== event.pointerId)[1];
      const middle = { x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 };
      onPan((point.x - last.x) / 2, (point.y - last.y) / 2);
      onZoom(middle, Math.hypot(point.x - other.x, point.y - other.y) / Math.max(1, Math.hypot(last.x - other.x, last.y - other.y)));
    }
    down.set(event.pointerId, point);
  });
  const up = (event) => {
    down.delete(event.pointerId);
    if (event.pointerId !== stroke) return;
    stroke = null;
    if (event.type === "pointerup") onEnd();
    else onCancel();
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => onHover(null));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const distance = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : 30 * event.deltaY;
    onZoom(at(event), Math.exp(-distance * WHEEL_ZOOM));
  }, { passive: false });
}
