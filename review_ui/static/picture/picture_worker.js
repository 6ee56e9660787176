// Prepares pictures on a thread of its own, so that keys never wait for it: photograph and mask in, layers out.

import { contour } from "./contour.js";
import { doubtfulPlace } from "./doubtful.js";
import { outlineOf, renderFrame } from "./frame.js";
import { PERSON_LEVEL, TINT, greyLevels, packed } from "./levels.js";
import { shapeOf } from "./shape.js";

const OPAQUE = packed(255, 255, 255, 255);
const THUMB_PX = 96;
const THUMB_TINT = 0.65;
const GROUNDS = [[0, 168, 84], [214, 51, 140], [44, 96, 224], [240, 190, 30]]; // RGB, loud on purpose
const GROUND_SAMPLES = 400;
const FAR_ENOUGH = 75; // distance in RGB at which a ground differs from nearly all of the person

self.onmessage = async ({ data: { id, photo, mask, size, look } }) => {
  try {
    const picture = await prepare(photo, mask, size);
    const frame = look && renderFrame({ ...picture, outline: outlineOf(picture.lines) }, look);
    const images = [picture.photo, picture.shade, picture.person, picture.thumb, ...(frame?.panes ?? []).map(({ image }) => image)];
    self.postMessage({ id, picture: { ...picture, frame } }, [...images, ...picture.lines.map((line) => line.buffer)]);
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
};

/**
 * Files and the size to bring both to -> `photo`; `shade`, opaque on the background; `person`, the person's own
 * pixels; `thumb`, small and square; `lines` and `place` of the edge, `shape`; `ground`, a colour unlike the person's.
 */
async function prepare(photoFile, maskFile, size) {
  const [photo, mask] = await Promise.all([
    bitmap(photoFile, "photograph", size, {}),
    bitmap(maskFile, "mask", size, { colorSpaceConversion: "none", premultiplyAlpha: "none" }),
  ]);
  const levels = greyLevels(mask, size);
  mask.close();
  const lines = contour(levels, size.width, size.height);
  const { shade, person } = layers(photo, levels, size);
  return {
    ...size,
    lines,
    shape: shapeOf(levels, size.width, size.height),
    place: doubtfulPlace(levels, size.width, size.height, lines),
    ground: groundUnlike(person, size),
    thumb: thumb(photo, shade, size),
    photo,
    shade: shade.transferToImageBitmap(),
    person: person.transferToImageBitmap(),
  };
}

async function bitmap(file, name, { width, height }, options) {
  try {
    const image = await createImageBitmap(file, options);
    if (image.width === width && image.height === height) return image; // scaling it all the same would cost as much again
    return await createImageBitmap(image, { ...options, resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  } catch {
    throw new Error(`the ${name} is no picture`);
  }
}

/** Two canvases of the picture's size: `shade`, the tint on the background; `person`, the person's own pixels. */
function layers(photo, levels, size) {
  const background = new Uint32Array(levels.length);
  const inside = new Uint32Array(levels.length);
  for (let i = 0; i < levels.length; i++) {
    if (levels[i] < PERSON_LEVEL) background[i] = TINT;
    else inside[i] = OPAQUE;
  }
  const shade = canvasOf(background, size);
  const person = canvasOf(inside, size);
  const context = person.getContext("2d");
  context.globalCompositeOperation = "source-in";
  context.drawImage(photo, 0, 0);
  return { shade, person };
}

function canvasOf(pixels, { width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
  return canvas;
}

/** The photograph, its background tinted, cut to a square; heads are above the middle. */
function thumb(photo, shade, { width, height }) {
  const side = Math.min(width, height);
  const square = [(width - side) / 2, (height - side) / 4, side, side, 0, 0, THUMB_PX, THUMB_PX];
  const canvas = new OffscreenCanvas(THUMB_PX, THUMB_PX);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, ...square);
  context.globalAlpha = THUMB_TINT;
  context.drawImage(shade, ...square);
  return canvas.transferToImageBitmap();
}

/** The first ground that nearly no pixel of the person comes near, else the one that fewest do; as CSS. */
function groundUnlike(person, { width, height }) {
  const side = Math.ceil(Math.sqrt(GROUND_SAMPLES));
  const small = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true });
  small.drawImage(person, 0, 0, width, height, 0, 0, side, side);
  const pixels = small.getImageData(0, 0, side, side).data;
  const near = GROUNDS.map((ground) => {
    let count = 0;
    for (let i = 0; i < pixels.length; i += 4) {
      if (pixels[i + 3] < 200) continue;
      const distance = Math.hypot(pixels[i] - ground[0], pixels[i + 1] - ground[1], pixels[i + 2] - ground[2]);
      if (distance < FAR_ENOUGH) count++;
    }
    return count;
  });
  const few = near.findIndex((count) => count < GROUND_SAMPLES / 50);
  return `rgb(${GROUNDS[few >= 0 ? few : near.indexOf(Math.min(...near))]})`;
}
