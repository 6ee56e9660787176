// Where on a mask's edge to look first: its most uncertain stretch, or, in a hard mask, its sharpest bend.

const WINDOW_FRACTION = 0.07; // of the picture's longer side: about what the 5x inset shows
const BEND_FRACTION = 0.02; // of the longer side: a bend is judged this far before and behind
const MIN_UNCERTAINTY = 0.05; // mean of 1-|2p-1| over a window; below, the mask says nothing about its own doubt

/**
 * {x, y, kind: "uncertain" | "bend"}: the point of the edge around which the mean of 1-|2p-1| over a square window
 * is greatest; null when the mask has no edge to speak of.
 */
export function doubtfulPlace(levels, width, height, lines) {
  const side = Math.max(width, height);
  const reach = Math.max(3, Math.round((WINDOW_FRACTION * side) / 2));
  const mean = windowMean(levels, width, height, reach);
  let best = null;
  for (const line of lines) {
    for (let k = 0; k < line.length; k += 2) {
      const found = mean(line[k], line[k + 1]);
      if (found >= MIN_UNCERTAINTY && !(best?.mean >= found)) best = { x: line[k], y: line[k + 1], mean: found };
    }
  }
  if (best) return { x: best.x, y: best.y, kind: "uncertain" };
  return sharpestBend(lines, Math.max(4, Math.round(BEND_FRACTION * side)));
}

/** (x, y) -> mean uncertainty over the window around it, 0..1, from a table of sums. */
function windowMean(levels, width, height, reach) {
  const stride = width + 1;
  const sums = new Uint32Array(stride * (height + 1)); // of 255 * uncertainty, over all pixels above and to the left
  for (let y = 0; y < height; y++) {
    let row = 0;
    for (let x = 0; x < width; x++) {
      row += 255 - Math.abs(2 * levels[y * width + x] - 255);
      sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
    }
  }
  return (x, y) => {
    const [left, right] = [Math.max(0, Math.floor(x) - reach), Math.min(width, Math.floor(x) + reach + 1)];
    const [top, bottom] = [Math.max(0, Math.floor(y) - reach), Math.min(height, Math.floor(y) + reach + 1)];
    const sum = sums[bottom * stride + right] - sums[top * stride + right] - sums[bottom * stride + left] + sums[top * stride + left];
    return sum / ((right - left) * (bottom - top) * 255);
  };
}

function sharpestBend(lines, reach) {
  let best = null;
  for (const line of lines) {
    const count = line.length / 2;
    for (let k = reach; k < count - reach; k++) {
      const [beforeX, beforeY] = [line[2 * k] - line[2 * (k - reach)], line[2 * k + 1] - line[2 * (k - reach) + 1]];
      const [behindX, behindY] = [line[2 * (k + reach)] - line[2 * k], line[2 * (k + reach) + 1] - line[2 * k + 1]];
      const cosine = (beforeX * behindX + beforeY * behindY) / (Math.hypot(beforeX, beforeY) * Math.hypot(behindX, behindY) || 1);
      if (!best || cosine < best.cosine) best = { x: line[2 * k], y: line[2 * k + 1], cosine };
    }
  }
  return best && { x: best.x, y: best.y, kind: "bend" };
}
