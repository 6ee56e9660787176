// Two masks of one sample, A and B, to choose from. Which is which depends on their digests alone: neither the reviewer nor the
// page knows whose mask it is.

export const SIDES = ["A", "B"];

// Where only one of the masks has person; told apart with any colour vision (Okabe and Ito 2008).
const COLORS = ["#e69f00", "#56b4e9"];
const COLOR_OPACITY = 0.75; // what is under them is seen, too
const VEIL = "rgb(90 90 90 / 60%)"; // over the photograph, so that the colours stand out
const BADGE_PX = 26;
const MARGIN_PX = 8;
const FONT = "600 15px system-ui, sans-serif";

/** Whether a sample has two masks to choose from; a repaired one has one. */
export function isPair({ rival_url, mask_file, repaired_url }) {
  return Boolean(rival_url) && !mask_file && !repaired_url;
}

/** {digest, url} of the sample's masks, A and B. */
export function sidesOf({ mask_sha256, mask_url, rival_mask_sha256, rival_url }) {
  const masks = [{ digest: mask_sha256, url: mask_url }, { digest: rival_mask_sha256, url: rival_url }];
  return masks.sort((first, second) => (first.digest < second.digest ? -1 : 1));
}

/** "A" or "B" for a mask's digest; null for a sample with one mask, and for another digest. */
export function sideOf(sample, digest) {
  if (!sample.rival_mask_sha256) return null;
  return SIDES[sidesOf(sample).findIndex((side) => side.digest === digest)] ?? null;
}

/** The sample with the mask of one side alone: the server still knows it by its first mask. */
export function withSide(sample, side) {
  const { rival_url, rival_mask_sha256, rival_iou, ...single } = sample;
  return { ...single, mask_url: sidesOf(sample)[SIDES.indexOf(side)].url };
}

/** One picture of both sides' pictures, which have the same size. */
export function joined(sides) {
  return { ...sides[0], frame: null, pair: sides };
}

/** The pane of a view twice, once for each mask; or, with `differs`, one pane that shows only where they differ. */
export function pairPanes(pane, differs) {
  if (differs) return [differences];
  return SIDES.map((letter, k) => (context, { pair }, options) => {
    pane(context, pair[k], options);
    onScreen(context, options, () => badge(context, letter, { x: MARGIN_PX, color: "#ffffff" }));
  });
}

function differences(context, { width, height, pair }, options) {
  context.drawImage(pair[0].photo, 0, 0);
  context.fillStyle = VEIL;
  context.fillRect(0, 0, width, height);
  context.globalAlpha = COLOR_OPACITY;
  pair.forEach(({ person }, k) => context.drawImage(only(person, pair[1 - k].person, COLORS[k], { width, height }), 0, 0));
  context.globalAlpha = 1;
  onScreen(context, options, () => {
    const x = badge(context, "A only", { x: MARGIN_PX, color: COLORS[0] });
    badge(context, "B only", { x: x + MARGIN_PX, color: COLORS[1] });
  });
}

/** A canvas with `color` where the first person is and the second is not. */
function only(person, other, color, { width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.drawImage(person, 0, 0);
  context.globalCompositeOperation = "destination-out";
  context.drawImage(other, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = color;
  context.fillRect(0, 0, width, height);
  return canvas;
}

/** Draw in CSS pixels from the canvas's corner, whatever part of the picture it shows. */
function onScreen(context, { scale }, draw) {
  const ratio = context.getTransform().a / scale;
  context.save();
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw();
  context.restore();
}

/** Draw dark text on a light ground; where it ends. */
function badge(context, text, { x, color }) {
  context.font = FONT;
  const width = Math.max(BADGE_PX, context.measureText(text).width + 14);
  context.fillStyle = color;
  context.strokeStyle = "rgb(0 0 0 / 70%)";
  context.lineWidth = 2;
  context.beginPath();
  context.roundRect(x, MARGIN_PX, width, BADGE_PX, 6);
  context.stroke();
  context.fill();
  context.fillStyle = "#111111";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, x + width / 2, MARGIN_PX + BADGE_PX / 2 + 1);
  return x + width;
}
