// An item: a sample {sample} and what is made of it here: `ready` or `error`, `picture` (a promise of either), `thumb`,
// and what was drawn ahead of its turn (`frame`).

import { SIDES, sideOf, withSide } from "./pair.js";
import { loadPicture, releasePicture } from "./picture.js";

const THUMB_SOURCE_PX = 200; // a picture of which only the thumb is wanted

/**
 * Start loading an item's picture unless it is here or on its way; `ready` or `error` is set when it is done. With a
 * look, it is drawn for that look at once.
 */
export function prepare(item, look = null) {
  if (item.picture && !item.error) return item;
  item.error = null;
  item.picture = loadPicture(item.sample, look).then(
    ({ frame, ...picture }) => {
      item.frame = frame;
      item.thumb = thumbOf(picture, item);
      item.ready = picture;
    },
    (error) => (item.error = error.message),
  );
  return item;
}

/**
 * An item with a repaired mask, a PNG's bytes, in the mask's place, or in that of one side of two; `unrepaired` gives the first
 * one back.
 */
export function repaired(item, png, side = null) {
  const original = unrepaired(item);
  const sample = side ? withSide(original.sample, side) : original.sample;
  return { sample: { ...sample, mask_file: new Blob([png], { type: "image/png" }) }, original };
}

/** An item of a past decision, as the server tells it: with the mask that was repaired or chosen then, if one was. */
export function recalled(sample, { edited_mask_url, chosen_mask_sha256 }) {
  if (!edited_mask_url) return { sample, side: sideOf(sample, chosen_mask_sha256) };
  return { sample: { ...sample, repaired_url: edited_mask_url }, original: { sample } };
}

export function unrepaired(item) {
  return item.original ?? item;
}

/** Give an item's memory back, but for its thumb; `prepare` loads it again. */
export function unload(item) {
  if (!item.ready) return;
  releasePicture(item.ready, item.frame);
  item.ready = item.picture = item.frame = null;
}

/** The thumb of an item that isn't loaded; resolves when it is there or can't be had. */
export async function loadThumb(item) {
  if (item.thumb) return;
  const picture = await loadPicture(item.sample, null, { maxSidePx: THUMB_SOURCE_PX }).catch(() => null);
  if (picture) releasePicture(picture, null);
  item.thumb ??= picture && thumbOf(picture, item);
}

/** The thumb of the picture, of two masks with the one of the item's side. */
function thumbOf(picture, { side }) {
  return picture.pair?.[SIDES.indexOf(side)]?.thumb ?? picture.thumb;
}

/** Draw an item's thumb, or nothing while there is none; whether it was drawn. */
export function drawThumb({ thumb }, canvas) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (thumb) context.drawImage(thumb, 0, 0, canvas.width, canvas.height);
  return Boolean(thumb);
}
