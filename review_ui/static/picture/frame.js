// A sample as it will stand on screen, drawn ahead of its turn: showing it is then a copy. Runs in the worker, too.

import { panesOf } from "./views.js";

const GAP_PX = 16;
const ASIDE_FRACTION = 0.24; // of the width, for a second pane that would cost the first one too much at equal size

/** Scales (CSS pixels per pixel) of one or two panes in `box`: equal when that costs little size, as in upright portraits. */
export function scales({ width, height }, box, paneCount) {
  const scaleInto = (boxWidth) => Math.max(1e-3, Math.min(boxWidth / width, box.height / height));
  if (paneCount === 1) return [scaleInto(box.width)];
  const equal = scaleInto((box.width - GAP_PX) / 2);
  const asideWidth = box.width * ASIDE_FRACTION;
  const alone = scaleInto(box.width - GAP_PX - asideWidth);
  return equal > 0.85 * alone ? [equal, equal] : [alone, scaleInto(asideWidth)];
}

/** How pictures are shown: the view, as large as `box` (CSS pixels) lets them be; equal keys mean equal frames. */
export function makeLook({ view, opacity }, { width, height }, { isCell, ratio }) {
  const key = [view, opacity, width, height, isCell, ratio].join();
  return { key, view, opacity, box: { width, height }, isCell, ratio };
}

/** {key, panes: [{image, scale}]}: the picture as `look` wants it, or through other panes. */
export function renderFrame(picture, look, panes = panesOf(look)) {
  const rendered = scales(picture, look.box, panes.length).map((scale, k) => {
    const width = Math.max(1, Math.round(picture.width * scale * look.ratio));
    const height = Math.max(1, Math.round(picture.height * scale * look.ratio));
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { alpha: false });
    context.imageSmoothingQuality = "high";
    context.scale(width / picture.width, height / picture.height);
    panes[k](context, picture, { opacity: look.opacity, scale });
    return { image: canvas.transferToImageBitmap(), scale }; // drawn now: a canvas waits until it is looked at
  });
  return { key: look.key, panes: rendered };
}

/** A path of the lines that contour() gives. */
export function outlineOf(lines) {
  const path = new Path2D();
  for (const line of lines) {
    path.moveTo(line[0], line[1]);
    for (let k = 2; k < line.length; k += 2) path.lineTo(line[k], line[k + 1]);
  }
  return path;
}
