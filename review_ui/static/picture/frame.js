// A sample as it will stand on screen, drawn ahead of its turn: showing it is then a copy. Runs in the worker, too.

import { panesOf } from "./views.js";

const GAP_PX = 16; // between two panes
const PORTRAIT = { width: 3, height: 4 }; // the shape of most pictures: panes are placed for it

/** The box of each of one or two panes in `box` (CSS pixels): the same for every picture, so that the eye needn't hunt. */
export function paneBox({ width, height }, paneCount) {
  if (paneCount === 1) return { width, height, isStacked: false };
  const isStacked = scaleInto({ width, height: height / 2 }, PORTRAIT) > scaleInto({ width: width / 2, height }, PORTRAIT);
  const half = (length) => Math.max(1, (length - GAP_PX) / 2);
  return isStacked ? { width, height: half(height), isStacked } : { width: half(width), height, isStacked };
}

/** The scale (CSS pixels per pixel) at which a picture fills a box. */
export function scaleInto(box, { width, height }) {
  return Math.max(1e-3, Math.min(box.width / width, box.height / height));
}

/** How pictures are shown: the view, as large as `box` (CSS pixels) lets them be; equal keys mean equal frames. */
export function makeLook({ view, opacity, differ }, { width, height }, { isCell, ratio }) {
  const key = [view, opacity, differ, width, height, isCell, ratio].join();
  return { key, view, opacity, differ, box: { width, height }, isCell, ratio };
}

/** {key, panes: [{image, scale}]}: the picture as `look` wants it, or through other panes. */
export function renderFrame(picture, look, panes = panesOf(look, picture)) {
  const scale = scaleInto(paneBox(look.box, panes.length), picture);
  const rendered = panes.map((pane) => {
    const width = Math.max(1, Math.round(picture.width * scale * look.ratio));
    const height = Math.max(1, Math.round(picture.height * scale * look.ratio));
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { alpha: false });
    context.imageSmoothingQuality = "high";
    context.scale(width / picture.width, height / picture.height);
    pane(context, picture, { opacity: look.opacity, scale });
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
