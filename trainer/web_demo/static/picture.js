// A file -> a canvas of its pixels, upright.

export const MAX_SIDE_PX = 2048; // a phone's canvas takes more, its memory for masks and views hardly

/** The image in a blob, shrunk to that if larger; an Error when it can't be shown. */
export async function pictureFrom(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    throw new Error("Expected an image that this browser can show (JPEG, PNG, WebP), found another file or a damaged one.");
  }
  const scale = Math.min(1, MAX_SIDE_PX / Math.max(bitmap.width, bitmap.height));
  const picture = canvasOf(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
  const context = picture.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white"; // behind transparent pixels, as trainer.predict does
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(bitmap, 0, 0, picture.width, picture.height);
  bitmap.close();
  return picture;
}

export function canvasOf(width, height) {
  return Object.assign(document.createElement("canvas"), { width: Math.max(1, width), height: Math.max(1, height) });
}
