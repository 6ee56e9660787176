// Swipes by touch or pen: right, left, up.

const FAR_PX = 70; // from here on a move is a swipe
const STRAIGHT = 1.4; // the longer way is so many times the other one

/**
 * Calls `onSwipe(direction, event)` after a swipe over `element`, and `onMove(dx, dy, direction)` on the way, with
 * (0, 0, null) at its end; only while `isWanted()`.
 */
export function listenForSwipes(element, { isWanted, onMove, onSwipe }) {
  let begin = null; // {id, x, y}
  const end = () => {
    begin = null;
    onMove(0, 0, null);
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" || event.target.closest("button") || !isWanted()) return;
    if (begin) end(); // a second finger: not a swipe
    else if (event.isPrimary) begin = { id: event.pointerId, x: event.clientX, y: event.clientY };
  });
  element.addEventListener("pointermove", (event) => {
    if (begin?.id !== event.pointerId) return;
    const [dx, dy] = [event.clientX - begin.x, event.clientY - begin.y];
    onMove(dx, dy, directionOf(dx, dy));
  });
  element.addEventListener("pointerup", (event) => {
    if (begin?.id !== event.pointerId) return;
    const direction = directionOf(event.clientX - begin.x, event.clientY - begin.y);
    end();
    if (direction) onSwipe(direction, event);
  });
  element.addEventListener("pointercancel", end);
}

function directionOf(dx, dy) {
  if (Math.abs(dx) >= FAR_PX && Math.abs(dx) > STRAIGHT * Math.abs(dy)) return dx > 0 ? "right" : "left";
  return dy <= -FAR_PX && -dy > STRAIGHT * Math.abs(dx) ? "up" : null;
}
