// The views of an image and its mask on the canvas.

import { canvasOf } from "./picture.js";

const TINT = "#e0218a"; // rare in photographs, and distinct from skin for the colour-blind
const BLURRED_SIDE_PX = 36; // the background's long side before it is enlarged again
const BACKGROUND_LAYERS = 3; // see blur()

/** Draw `view` of the image into the canvas, at the image's size. `mask`: 0..255 = person probability. */
export function drawView(canvas, picture, mask, view, opacity) {
  canvas.width = picture.width; // this also clears it
  canvas.height = picture.height;
  VIEWS[view](canvas.getContext("2d"), picture, mask, opacity);
}

const VIEWS = { overlay, cutout, blur, mask: greyLevels };

function overlay(context, picture, mask, opacity) {
  context.drawImage(picture, 0, 0);
  const tint = personAlpha(picture, mask);
  const tinting = tint.getContext("2d");
  tinting.globalCompositeOperation = "source-in";
  tinting.fillStyle = TINT;
  tinting.fillRect(0, 0, tint.width, tint.height);
  context.globalAlpha = opacity;
  context.drawImage(tint, 0, 0);
  context.globalAlpha = 1;
}

function cutout(context, picture, mask) {
  context.drawImage(picture, 0, 0);
  context.globalCompositeOperation = "destination-in";
  context.drawImage(personAlpha(picture, mask), 0, 0);
}

/** The background is blurred without the person in it, whose colours would otherwise glow around the edge. */
function blur(context, picture, mask) {
  const { width, height } = picture;
  const background = canvasOf(width, height);
  const without = background.getContext("2d");
  without.drawImage(picture, 0, 0);
  without.globalCompositeOperation = "destination-out";
  without.drawImage(personAlpha(picture, mask), 0, 0);
  context.drawImage(softened(picture), 0, 0, width, height);
  const soft = softened(background); // near the person it is half transparent: three layers make it opaque
  for (let layer = 0; layer < BACKGROUND_LAYERS; layer++) context.drawImage(soft, 0, 0, width, height);
  const person = canvasOf(width, height);
  cutout(person.getContext("2d"), picture, mask);
  context.drawImage(person, 0, 0);
}

function greyLevels(context, picture, mask) {
  const levels = context.createImageData(picture.width, picture.height);
  for (let i = 0; i < mask.length; i++) {
    levels.data.fill(mask[i], 4 * i, 4 * i + 3);
    levels.data[4 * i + 3] = 255;
  }
  context.putImageData(levels, 0, 0);
}

/** A canvas that is as opaque as a pixel is person. */
function personAlpha({ width, height }, mask) {
  const alpha = canvasOf(width, height);
  const context = alpha.getContext("2d");
  const levels = context.createImageData(width, height);
  for (let i = 0; i < mask.length; i++) levels.data[4 * i + 3] = mask[i];
  context.putImageData(levels, 0, 0);
  return alpha;
}

/** Halved and doubled again, step by step: a soft blur in every browser; `filter` is missing in Safari before 18. */
function softened(picture) {
  let soft = picture;
  const halvings = Math.max(1, Math.round(Math.log2(Math.max(picture.width, picture.height) / BLURRED_SIDE_PX)));
  const factors = [...Array(halvings).fill(0.5), ...Array(halvings).fill(2)];
  for (const factor of factors) {
    const next = canvasOf(Math.round(soft.width * factor), Math.round(soft.height * factor));
    next.getContext("2d").drawImage(soft, 0, 0, next.width, next.height);
    soft = next;
  }
  return soft;
}
