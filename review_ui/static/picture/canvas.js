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

/** Call `then(now)` when what is drawn now has been painted: in the first task after the next frame. */
export function afterPaint(then) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel(); // a timer would wait longer
    port1.onmessage = () => {
      port1.close();
      then(performance.now());
    };
    port2.postMessage(null);
  });
}

/** Call `then` when nothing else is to be done. */
export const whenIdle = window.requestIdleCallback?.bind(window) ?? ((then) => setTimeout(then, 1));
