// Canvases of the page, and when what they hold is seen.

/** Put a drawn image into the canvas, one pixel to one. */
export function copyInto(canvas, image) {
  size(canvas, image.width, image.height).drawImage(image, 0, 0);
}

/** The canvas's context, the canvas having so many device pixels; resizing clears it, so only when needed. */
export function size(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== width || canvas.height !== height) {
    [canvas.width, canvas.height] = [width, height];
    canvas.style.width = `${width / ratio}px`;
    canvas.style.height = `${height / ratio}px`;
  }
  const context = canvas.getContext("2d", { alpha: false });
  context.setTransform(1, 0, 0, 1, 0, 0);
  return context;
}

/** Call `then(now)` when what is drawn now has been on screen for a frame. */
export function afterPaint(then) {
  requestAnimationFrame(() => requestAnimationFrame(then));
}

/** Call `then` when nothing else is to be done. */
export const whenIdle = window.requestIdleCallback?.bind(window) ?? ((then) => setTimeout(then, 1));
