// A mask's values: a grey picture as one byte per pixel. Runs in the worker, too.

export const PERSON_LEVEL = 128; // DESIGN: a value of 128 or more is person
export const TINT = packed(38, 52, 120, 255); // over the background: a blue that no skin or hair has

/** The exact values of a mask's file, Uint8Array of width * height. */
export async function levelsOf(file, { width, height }) {
  const mask = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  if (mask.width !== width || mask.height !== height) throw new Error(`expected a mask of ${width}x${height}, found ${mask.width}x${mask.height}`);
  const levels = greyLevels(mask, { width, height });
  mask.close();
  return levels;
}

/** RGBA bytes as ImageData keeps them, four in one number. */
export function packed(...rgba) {
  return new Uint32Array(Uint8Array.from(rgba).buffer)[0];
}

export function greyLevels(mask, { width, height }) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(mask, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const levels = new Uint8Array(width * height);
  for (let i = 0; i < levels.length; i++) levels[i] = rgba[4 * i];
  return levels;
}
