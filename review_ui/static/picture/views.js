// The ways to look at a sample. A view is one or two panes; a pane draws a prepared picture in the picture's pixels.

import { pairPanes } from "./pair.js";

const LINE = "#ffe14d"; // the edge, on a dark halo: seen on any picture, also without telling red from green
const HALO = "rgba(0, 0, 0, 0.7)";
const CALM_GROUND = "#5f9e8f"; // behind the cut-out: unlike skin, hair and most walls, and easy on the eye
const CHECK_PX = 10;
const CHECKS = ["#8c8c8c", "#c9c9c9"];

/** In the order of the key `v`. A pane takes (context, picture, {opacity, scale}), scale in CSS pixels per pixel. */
export const VIEWS = {
  side: { label: "Side by side", panes: [traced, cutOut] },
  overlay: { label: "Overlay", panes: [tinted] },
  contour: { label: "Contour", panes: [outlined] },
  checker: { label: "Cut-out", panes: [cutOutOnChecks] },
  contrast: { label: "On colour", panes: [cutOutOnColour] },
};

/** The name of the view `step` places after `name`. */
export function neighbour(name, step) {
  const names = Object.keys(VIEWS);
  return names[(names.indexOf(name) + step + names.length) % names.length];
}

/** What draws a picture in a view; a cell of the grid has room for the first pane only, and two masks take one each. */
export function panesOf({ view, isCell, differ }, picture) {
  const { panes } = VIEWS[view] ?? VIEWS.side;
  if (picture?.pair) return pairPanes(panes[0], differ);
  return isCell ? panes.slice(0, 1) : panes;
}

/** The photograph alone, as while the mask is hidden. */
export function bare(context, { photo }) {
  context.drawImage(photo, 0, 0);
}

/** Background tinted, edge drawn. */
function traced(context, picture, options) {
  tinted(context, picture, options);
  line(context, picture, options);
}

function tinted(context, picture, { opacity }) {
  bare(context, picture);
  context.globalAlpha = opacity;
  context.drawImage(picture.shade, 0, 0);
  context.globalAlpha = 1;
}

function outlined(context, picture, options) {
  bare(context, picture);
  line(context, picture, options);
}

function cutOut(context, picture) {
  onGround(context, picture, CALM_GROUND);
}

function cutOutOnColour(context, picture) {
  onGround(context, picture, picture.ground);
}

function cutOutOnChecks(context, picture, { scale }) {
  onGround(context, picture, checks(context, scale));
}

function onGround(context, picture, ground) {
  context.fillStyle = ground;
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(picture.person, 0, 0);
}

function line(context, { outline }, { scale }) {
  context.lineJoin = context.lineCap = "round";
  for (const [style, widthPx] of [[HALO, 3.5], [LINE, 1.5]]) {
    context.strokeStyle = style;
    context.lineWidth = widthPx / scale;
    context.stroke(outline);
  }
}

/** Squares that are the same on screen whatever the scale. */
function checks(context, scale) {
  const tile = new OffscreenCanvas(2 * CHECK_PX, 2 * CHECK_PX);
  const draw = tile.getContext("2d");
  for (const [x, y] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
    draw.fillStyle = CHECKS[(x + y) % 2];
    draw.fillRect(x * CHECK_PX, y * CHECK_PX, CHECK_PX, CHECK_PX);
  }
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / scale));
  return pattern;
}
