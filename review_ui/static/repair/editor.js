// The editor: a sample's mask under the brush. It knows no verdicts; review.js accepts what was repaired.

import { fromBase64, toBase64 } from "../lib/base64.js";
import { request } from "../lib/request.js";
import { afterPaint, size } from "../picture/canvas.js";
import { levelsOf } from "../picture/levels.js";
import { Draft } from "./draft.js";
import { listenForGestures } from "./gestures.js";
import { greyPng } from "./grey_png.js";
import { Viewport } from "./viewport.js";

const RADII_PX = [2, 3, 5, 8, 12, 18, 26, 38, 54, 76]; // on screen, so that zooming in makes the brush finer
const POINT_RADIUS_PX = 4; // of the ring under which a click takes the object
const CRISP_SCALE = 3; // from here on pixels show as squares

export class Editor {
  /** `onChange()` when tool, size, draft or what the server computes changed; `onProblem(text)` when that failed. */
  constructor(root, settings, { onChange, onProblem }) {
    this.root = root;
    this.settings = settings;
    this.onChange = onChange;
    this.onProblem = onProblem;
    this.canvas = root.querySelector(".editor");
    this.scene = root.querySelector(".scene");
    this.kept = new Map(); // a mask's URL -> values of a repair that was left or refused
    this.item = null;
    this.isEraser = false;
    this.isSmart = false;
    this.isPoint = false;
    this.clicked = null; // where the button went down, with the tool Point
    this.size = 4;
    this.waiting = 0; // requests on their way
    listenForGestures(this.canvas, {
      onBegin: (point) => this.beginStroke(point),
      onMove: (point) => this.moveStroke(point),
      onEnd: () => this.endStroke(),
      onCancel: () => this.cancelStroke(),
      onHover: (point) => this.hover(point),
      onPan: (dx, dy) => this.look(() => this.viewport.pan(dx, dy)),
      onZoom: (point, factor) => this.look(() => this.viewport.zoomAt(point, factor)),
    });
    new ResizeObserver(() => this.draft && this.look(() => this.viewport.resize(this.box))).observe(this.scene);
  }

  get isOpen() {
    return this.item !== null;
  }

  get box() {
    const { width, height } = this.scene.getBoundingClientRect();
    return { width: Math.max(1, width), height: Math.max(1, height) };
  }

  /** Open a prepared item's mask; rejects when its files can't be had. */
  async open(item) {
    const { sample } = item;
    this.item = item;
    try {
      const [photo, levels] = await Promise.all([
        file(sample.image_url).then(createImageBitmap),
        file(sample.mask_file ?? sample.repaired_url ?? sample.mask_url).then((mask) => levelsOf(mask, sample)),
      ]);
      if (this.item !== item) return photo.close();
      this.photo = photo;
      this.draft = new Draft(levels, sample, this.kept.get(sample.mask_url));
    } catch (error) {
      if (this.item === item) this.item = null;
      throw error;
    }
    this.canvas.hidden = false;
    this.viewport = new Viewport(sample, this.box);
    this.changed();
  }

  /** Close it; what was drawn is kept, unless it was `accepted`, for the next time this sample is opened. */
  close({ accepted = false } = {}) {
    const { sample } = this.item;
    if (!accepted && this.draft?.isChanged) this.kept.set(sample.mask_url, this.draft.levels);
    else this.kept.delete(sample.mask_url);
    this.photo?.close();
    this.item = this.draft = this.photo = this.pointer = null;
    this.canvas.hidden = true;
  }

  /** The repaired mask as a PNG's bytes, or null when nothing was changed. */
  async png() {
    return this.draft.isChanged ? greyPng(this.draft.levels, this.draft) : null;
  }

  /** Keep the values of a repair that wasn't stored. */
  async keep(sample, png) {
    this.kept.set(sample.mask_url, await levelsOf(new Blob([png]), sample));
  }

  // Strokes ---------------------------------------------------------------------------------------------------

  get radius() {
    return RADII_PX[this.size] / this.viewport.scale;
  }

  beginStroke(point) {
    if (!this.draft) return;
    if (this.isPoint) {
      this.clicked = this.viewport.toPicture(point);
      return;
    }
    this.points = [];
    this.draft.begin();
    this.moveStroke(point);
  }

  moveStroke(point) {
    if (!this.points) return;
    const place = this.viewport.toPicture(point);
    this.draft.line(this.points.at(-1) ?? place, place, this.radius, !this.isEraser);
    this.points.push(place);
    this.draw();
  }

  endStroke() {
    const { points, clicked } = this;
    this.points = this.clicked = null;
    if (clicked) return this.takeObject(clicked);
    if (!points) return;
    const change = this.draft.end();
    this.changed();
    if (!this.isSmart) return;
    const line = { points: points.map(({ x, y }) => [x, y]), radius: this.radius };
    this.refine(this.isEraser ? "background" : "person", line, change);
  }

  /** Let the server add the object at a point to the person, or take it away; a point beside the image is ignored. */
  takeObject({ x, y }) {
    const isInside = this.draft && x >= 0 && y >= 0 && x < this.draft.width && y < this.draft.height;
    if (isInside) this.refine("point", { points: [[x, y]], labels: [this.isEraser ? 0 : 1] });
  }

  cancelStroke() {
    this.points = this.clicked = null;
    this.draft?.cancel();
    this.draw();
  }

  hover(point) {
    this.pointer = point;
    this.draw();
  }

  /**
   * Let the server apply an action to the mask as it is now. `prompt` is a smart stroke's line or a point with its label,
   * `change` what the stroke drew.
   */
  async refine(action, prompt = {}, change = null) {
    if (!this.draft) return;
    const { draft, item } = this;
    const begun = performance.now();
    const sent = draft.levels.slice();
    this.waiting++;
    this.changed();
    let problem = null;
    try {
      const { sample_id, mask_sha256 } = item.sample;
      const mask = toBase64(await greyPng(sent, draft));
      const answer = await request("api/refine", { sample_id, mask_sha256, mask, action, ...prompt });
      const levels = await levelsOf(new Blob([fromBase64(answer.mask)]), draft);
      if (this.draft === draft) draft.apply(levels, sent, change);
    } catch (error) {
      problem = error;
    }
    this.waiting--;
    if (this.draft !== draft) return;
    if (problem) this.onProblem(`Not refined: ${problem.message}`);
    this.changed();
    afterPaint((now) => performance.measure("stroke-to-paint", { start: begun, end: Math.max(begun, now) }));
  }

  // Tools -----------------------------------------------------------------------------------------------------

  choose({ isEraser = this.isEraser, isSmart = this.isSmart, isPoint = this.isPoint, size: wanted = this.size }) {
    this.isEraser = isEraser;
    this.isSmart = isSmart;
    this.isPoint = isPoint;
    this.size = Math.min(RADII_PX.length - 1, Math.max(0, wanted));
    this.changed();
  }

  undo() {
    if (this.draft?.undo()) this.changed();
  }

  redo() {
    if (this.draft?.redo()) this.changed();
  }

  fit() {
    this.look(() => this.viewport.fit());
  }

  hideMask(isBare) {
    if (this.isBare === isBare) return;
    this.isBare = isBare;
    this.draw();
  }

  // Drawing ---------------------------------------------------------------------------------------------------

  look(change) {
    if (!this.draft) return;
    change();
    this.draw();
  }

  changed() {
    this.draw();
    this.onChange();
  }

  /** Draw before the next frame, however often it is asked for. */
  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.draft) this.render();
    });
  }

  render() {
    const ratio = window.devicePixelRatio || 1;
    const { box, viewport, draft } = this;
    const context = size(this.canvas, Math.round(box.width * ratio), Math.round(box.height * ratio));
    context.fillStyle = getComputedStyle(this.root).backgroundColor;
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(viewport.scale * ratio, 0, 0, viewport.scale * ratio, viewport.x * ratio, viewport.y * ratio);
    context.imageSmoothingEnabled = viewport.scale < CRISP_SCALE;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.photo, 0, 0);
    if (!this.isBare) {
      context.globalAlpha = this.settings.opacity;
      context.drawImage(draft.shade, 0, 0);
      context.globalAlpha = 1;
    }
    if (this.pointer) this.drawBrush(context, ratio);
  }

  drawBrush(context, ratio) {
    const radiusPx = this.isPoint ? POINT_RADIUS_PX : RADII_PX[this.size];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const [style, widthPx] of [["rgba(0, 0, 0, 0.8)", 3.5], [this.isEraser ? "#8ab8ff" : "#ffe14d", 1.5]]) {
      context.strokeStyle = style;
      context.lineWidth = widthPx;
      context.setLineDash(this.isSmart ? [5, 4] : []);
      context.beginPath();
      context.arc(this.pointer.x, this.pointer.y, radiusPx, 0, 2 * Math.PI);
      context.stroke();
    }
    context.setLineDash([]);
  }
}

/** A file's bytes: those of a URL, or of one that is here. */
async function file(source) {
  if (source instanceof Blob) return source;
  const answer = await fetch(source);
  if (!answer.ok) throw new Error(`expected the file behind ${source}, found server error ${answer.status}`);
  return answer.blob();
}
