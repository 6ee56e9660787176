// The corner picture: five times larger, the place of the edge to look at first; under the zoom, where the zoom is.

import { size } from "../picture/canvas.js";

const MAGNIFICATION = 5; // against the picture as it stands on the stage
const INSET_PX = 190;
const OVERVIEW_PX = 130;
const MARK = "#ffffff";
const CAPTIONS = { uncertain: "5× · least certain edge", bend: "5× · sharpest bend (a hard mask has no doubts)" };

export class Inset {
  constructor(root) {
    this.element = root.querySelector(".inset");
    this.canvas = this.element.querySelector("canvas");
    this.caption = this.element.querySelector("figcaption");
  }

  hide() {
    this.element.hidden = true;
  }

  /** Show the place magnified as `pane` draws it; the pane on the stage at `scale` gets a mark of the part shown. */
  showPlace(picture, pane, { opacity, scale }, stageContext) {
    if (!picture.place) return this.showNothing();
    const { place } = picture;
    const ratio = window.devicePixelRatio || 1;
    const magnified = scale * MAGNIFICATION;
    const half = INSET_PX / 2 / magnified;
    const context = this.prepare(picture, INSET_PX, INSET_PX, CAPTIONS[place.kind]);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingQuality = "high";
    context.scale(magnified * ratio, magnified * ratio);
    context.translate(half - place.x, half - place.y);
    pane(context, picture, { opacity, scale: magnified });
    stageContext.setTransform(scale * ratio, 0, 0, scale * ratio, 0, 0);
    mark(stageContext, { x: place.x - half, y: place.y - half, width: 2 * half, height: 2 * half }, scale);
  }

  /** Show the whole picture small, with a mark around `part` of it. */
  showOverview(picture, part) {
    const ratio = window.devicePixelRatio || 1;
    const scale = OVERVIEW_PX / Math.max(picture.width, picture.height);
    const context = this.prepare(picture, picture.width * scale, picture.height * scale, "");
    context.scale(scale * ratio, scale * ratio);
    context.drawImage(picture.photo, 0, 0);
    mark(context, part, scale);
  }

  showNothing() {
    this.element.hidden = false;
    this.canvas.hidden = true;
    this.caption.textContent = "No inset: this mask has no edge";
  }

  /** In the corner away from the place, so as not to cover it. */
  prepare({ place, width }, widthPx, heightPx, caption) {
    const ratio = window.devicePixelRatio || 1;
    this.element.hidden = this.canvas.hidden = false;
    this.element.classList.toggle("left", Boolean(place && place.x > width / 2));
    this.element.dataset.place = place ? `${Math.round(place.x)},${Math.round(place.y)}` : "";
    this.element.dataset.kind = place?.kind ?? "";
    this.caption.textContent = caption;
    this.caption.hidden = !caption;
    return size(this.canvas, Math.round(widthPx * ratio), Math.round(heightPx * ratio));
  }
}

function mark(context, { x, y, width, height }, scale) {
  for (const [style, lineWidthPx] of [["rgba(0, 0, 0, 0.8)", 4], [MARK, 2]]) {
    context.strokeStyle = style;
    context.lineWidth = lineWidthPx / scale;
    context.strokeRect(x, y, width, height);
  }
}
