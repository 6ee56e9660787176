// One sample's pictures: loaded and prepared ahead of time, so that drawing them takes a fraction of a frame.

import { contour } from "./contour.js";

const MAX_SIDE_PX = 1600; // more than the stage shows; keeps 16 prepared samples within about 400 MB
const RETRY_MS = 1000;
const PERSON_LEVEL = 128; // DESIGN: a value of 128 or more is person
const TINT = packed(38, 52, 120, 168); // over the background: a blue that no skin or hair has
const OPAQUE = packed(255, 255, 255, 255);
const LINE = "#ffe14d"; // the contour, on a dark halo: seen on any picture, also without telling red from green
const HALO = "rgba(0, 0, 0, 0.7)";
const CUTOUT_GROUND = "#5f9e8f"; // behind the cut-out: unlike skin, hair and most walls, and easy on the eye

/** Fetch and prepare a sample; rejects with an Error that says what is missing. */
export async function loadPicture(sample) {
  const scale = Math.min(1, MAX_SIDE_PX / Math.max(sample.width, sample.height));
  const size = { width: Math.max(1, Math.round(sample.width * scale)), height: Math.max(1, Math.round(sample.height * scale)) };
  const [photo, mask] = await Promise.all([
    bitmap(sample.image_url, size, {}),
    bitmap(sample.mask_url, size, { colorSpaceConversion: "none", premultiplyAlpha: "none" }),
  ]);
  const levels = greyLevels(mask, size);
  mask.close();
  return { ...size, photo, contour: contour(levels, size.width, size.height), ...layers(photo, levels, size) };
}

/** Draw the photograph with its mask, and the cut-out, as large as `box` (CSS pixels) lets them be, side by side. */
export function drawPicture(picture, overlay, cutout, box) {
  const [large, small] = arrange(picture, box);
  const canvas = fit(overlay, picture, large);
  canvas.drawImage(picture.photo, 0, 0);
  canvas.drawImage(picture.shade, 0, 0);
  canvas.lineJoin = canvas.lineCap = "round";
  for (const [style, widthPx] of [[HALO, 3.5], [LINE, 1.5]]) {
    canvas.strokeStyle = style;
    canvas.lineWidth = widthPx / large;
    canvas.stroke(picture.contour);
  }
  const beside = fit(cutout, picture, small);
  beside.fillStyle = CUTOUT_GROUND;
  beside.fillRect(0, 0, picture.width, picture.height);
  beside.drawImage(picture.person, 0, 0);
}

/** Draw the photograph into a small square canvas, cut to the square. */
export function drawThumb(picture, canvas) {
  const side = Math.min(picture.width, picture.height);
  const [x, y] = [(picture.width - side) / 2, (picture.height - side) / 4]; // heads are above the middle
  canvas.getContext("2d").drawImage(picture.photo, x, y, side, side, 0, 0, canvas.width, canvas.height);
}

/** Scales of the two pictures: equal when that costs little size (upright portraits), else the cut-out is smaller. */
function arrange({ width, height }, box) {
  const gap = 16;
  const scaleInto = (boxWidth) => Math.min(boxWidth / width, box.height / height);
  const equal = scaleInto((box.width - gap) / 2);
  const asideWidth = box.width * 0.24;
  const alone = scaleInto(box.width - gap - asideWidth);
  return equal > 0.85 * alone ? [equal, equal] : [alone, scaleInto(asideWidth)];
}

function fit(canvas, { width, height }, scale) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * scale * ratio));
  canvas.height = Math.max(1, Math.round(height * scale * ratio));
  canvas.style.width = `${canvas.width / ratio}px`;
  canvas.style.height = `${canvas.height / ratio}px`;
  const context = canvas.getContext("2d", { alpha: false });
  context.imageSmoothingQuality = "high";
  context.scale(canvas.width / width, canvas.height / height);
  return context;
}

async function bitmap(url, { width, height }, options) {
  const answer = await fetchPatiently(url);
  if (!answer.ok) {
    throw new Error(answer.status === 404 ? `the file behind ${url} is missing on the server` : `server error ${answer.status}`);
  }
  const blob = await answer.blob();
  try {
    return await createImageBitmap(blob, { ...options, resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  } catch {
    throw new Error(`the file behind ${url} is no picture`);
  }
}

/** Fetch, again and again while the server can't be reached. */
async function fetchPatiently(url) {
  for (;;) {
    try {
      return await fetch(url);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function greyLevels(mask, { width, height }) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(mask, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  return Uint8Array.from({ length: width * height }, (_, i) => rgba[4 * i]);
}

/** Two layers of the picture's size: `shade`, the tint on the background; `person`, the person's own pixels. */
function layers(photo, levels, { width, height }) {
  const background = new Uint32Array(width * height);
  const inside = new Uint32Array(width * height);
  for (let i = 0; i < levels.length; i++) {
    if (levels[i] < PERSON_LEVEL) background[i] = TINT;
    else inside[i] = OPAQUE;
  }
  const shade = layer(background, { width, height });
  const person = layer(inside, { width, height });
  const context = person.getContext("2d");
  context.globalCompositeOperation = "source-in";
  context.drawImage(photo, 0, 0);
  return { shade, person };
}

function layer(pixels, { width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
  return canvas;
}

/** RGBA bytes as ImageData keeps them, four in one number. */
function packed(...rgba) {
  return new Uint32Array(Uint8Array.from(rgba).buffer)[0];
}
