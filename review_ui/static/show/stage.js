// The stage: the sample on screen, in the chosen view, or a notice in its place.

import { afterPaint, copyInto, size, whenIdle } from "../picture/canvas.js";
import { makeLook, paneBox, renderFrame, scaleInto } from "../picture/frame.js";
import { Inset } from "./inset.js";
import { loadPicture, releasePicture } from "../picture/picture.js";
import { VIEWS, bare, panesOf } from "../picture/views.js";
import { Zoom } from "./zoom.js";

const LEAST_PX = 100; // of the scene's shorter side, to judge a mask in
const AHEAD = 3; // samples drawn before their turn
const OWN_PIXELS_PX = 8192; // a sample's longer side at which it is still zoomed into at its own pixels

export class Stage {
  /** `onPainted(now)` is called when an item has been painted. */
  constructor(root, settings, onPainted) {
    this.element = root.querySelector("#sample");
    this.scene = root.querySelector(".scene");
    this.figure = root.querySelector(".panes");
    this.panel = root.querySelector(".notice");
    this.canvases = [root.querySelector(".overlay"), root.querySelector(".cutout")];
    this.inset = new Inset(root);
    this.settings = settings;
    this.onPainted = onPainted;
    this.item = null;
    this.isPainted = false; // while it is not, no key acts
    this.isBare = false; // while a key hides the mask
    this.zoom = null;
    new ResizeObserver(() => {
      this.measure();
      this.draw();
    }).observe(this.scene);
  }

  /** Put a prepared item on screen, as soon as its picture is there; null takes the last one away. */
  show(item) {
    this.item = item;
    this.zoom = null;
    this.setPainted(false);
    this.element.dataset.sampleId = item?.sample.sample_id ?? "";
    if (!item) return;
    if (item.ready || item.error) this.paint(item);
    else item.picture.then(() => this.item === item && this.paint(item));
  }

  notice({ title, text, publish = false, flagged = false, clear = false }) {
    this.figure.hidden = true;
    this.panel.hidden = false;
    this.panel.querySelector("h2").textContent = title;
    this.panel.querySelector("p").textContent = text;
    this.panel.querySelector("[data-action=publish]").hidden = !publish;
    this.panel.querySelector("[data-action=second-look]").hidden = !flagged;
    this.panel.querySelector("[data-action=clear-filter]").hidden = !clear;
  }

  /** Nothing but whose turn it is: the grid has the scene. */
  leave() {
    this.item = null;
    this.zoom = null;
    this.figure.hidden = this.panel.hidden = true;
  }

  paint(item) {
    if (item.error) this.notice({ title: "This picture can't be shown", text: `${item.error}. Skip it; the others go on.` });
    else this.draw();
    afterPaint((now) => {
      if (this.item !== item || this.isPainted) return;
      this.setPainted(true);
      this.onPainted(now);
    });
  }

  setPainted(isPainted) {
    this.isPainted = isPainted;
    this.element.dataset.painted = String(isPainted);
    this.element.ariaBusy = String(!isPainted);
  }

  // Drawing ---------------------------------------------------------------------------------------------------

  draw() {
    const picture = this.item?.ready;
    if (!picture) return;
    this.panel.hidden = true;
    this.figure.hidden = false;
    this.element.classList.toggle("zoomed", Boolean(this.zoom));
    this.canvases[1].hidden = this.panes.length < 2;
    this.label(picture);
    if (this.zoom) this.drawZoomed();
    else this.drawWhole(picture);
  }

  /** What screen readers say of the canvases. */
  label({ pair }) {
    const view = this.isBare ? "mask hidden" : this.view.label;
    const areBoth = pair && this.panes.length === 2;
    this.canvases[0].ariaLabel = `Photograph and mask${areBoth ? " A" : ""}: ${pair && !areBoth ? "where the two masks differ" : view}`;
    this.canvases[1].ariaLabel = areBoth ? `Photograph and mask B: ${view}` : "The person cut out by the mask";
  }

  drawWhole(picture) {
    const pane = paneBox(this.box, this.panes.length);
    this.figure.style.setProperty("--pane-width", `${pane.width}px`);
    this.figure.style.setProperty("--pane-height", `${pane.height}px`);
    this.figure.classList.toggle("stacked", pane.isStacked);
    const frame = this.isBare ? renderFrame(picture, this.look, this.panes) : this.frameOf(this.item);
    frame.panes.forEach(({ image }, k) => copyInto(this.canvases[k], image));
    if (this.settings.inset) {
      const options = { opacity: this.settings.opacity, scale: frame.panes[0].scale };
      this.inset.showPlace(picture, this.panes[0], options, this.canvases[0].getContext("2d"));
    } else {
      this.inset.hide();
    }
  }

  drawZoomed() {
    const ratio = window.devicePixelRatio || 1;
    const ground = getComputedStyle(this.element).backgroundColor;
    const paneSize = this.zoomedSize();
    this.panes.forEach((pane, k) => {
      const context = size(this.canvases[k], Math.round(paneSize.width * ratio), Math.round(paneSize.height * ratio));
      this.zoom.draw(context, pane, this.settings.opacity, paneSize, ground);
    });
    this.element.dataset.pixels = `${this.item.ready.width}`;
    this.element.dataset.aim = `${this.zoom.x.toFixed(1)},${this.zoom.y.toFixed(1)}`;
    this.inset.showOverview(this.item.ready, this.zoom.part(paneSize));
  }

  zoomedSize() {
    return paneBox(this.box, this.panes.length);
  }

  /** Whether there is room to see what is to be judged. */
  get isVisible() {
    const { width, height } = this.scene.getBoundingClientRect(); // now: a window may have shrunk since it was drawn
    return Math.min(width, height) >= LEAST_PX;
  }

  get view() {
    return VIEWS[this.settings.view] ?? VIEWS.side;
  }

  /** What draws the view now. */
  get panes() {
    const panes = panesOf(this.look, this.item?.ready);
    return this.isBare ? panes.map(() => bare) : panes;
  }

  get box() {
    this.boxKept ??= this.scene.getBoundingClientRect();
    return this.boxKept;
  }

  /** The scene may have another size now. */
  measure() {
    this.boxKept = null;
  }

  // Ahead of time ---------------------------------------------------------------------------------------------

  /** Redraw the next items that were prepared for another look, one by one, in idle time. */
  drawAhead(items) {
    const { key } = this.look;
    const item = items.slice(0, AHEAD).find(({ ready, frame }) => ready && frame?.key !== key);
    if (!item || this.isDrawingAhead) return;
    this.isDrawingAhead = true;
    whenIdle(() => {
      this.isDrawingAhead = false;
      if (item.ready) this.frameOf(item);
      this.drawAhead(items);
    });
  }

  frameOf(item) {
    const { look } = this;
    if (item.frame?.key !== look.key) item.frame = renderFrame(item.ready, look);
    return item.frame;
  }

  get look() {
    return makeLook(this.settings, this.box, { isCell: false, ratio: window.devicePixelRatio || 1 });
  }

  // Looking closer --------------------------------------------------------------------------------------------

  /** While hidden, the photograph alone is shown in the same place. */
  hideMask(isBare) {
    if (this.isBare === isBare) return;
    this.isBare = isBare;
    this.draw();
  }

  toggleZoom() {
    if (!this.item?.ready) return;
    this.zoom = this.zoom ? null : new Zoom(this.item.ready, this.fitScale);
    this.draw();
    this.sharpen();
  }

  get fitScale() {
    return scaleInto(paneBox(this.box, this.panes.length), this.item.ready);
  }

  travel(steps) {
    this.zoom?.step(steps, this.zoomedSize());
    this.draw();
  }

  /** Zoom where the pointer is; `pane` is the canvas under it. */
  zoomAt(pane, event, factor) {
    const picture = this.item?.ready;
    if (!picture) return;
    if (!this.zoom) {
      if (factor <= 1) return;
      this.zoom = Zoom.whole(picture, this.fitScale);
      this.draw(); // the panes have the window's size now
      this.sharpen();
    }
    const box = pane.getBoundingClientRect();
    this.zoom.by(factor, { x: event.clientX - box.left, y: event.clientY - box.top }, this.zoomedSize());
    if (this.zoom.isWhole) this.zoom = null;
    this.draw();
  }

  /** In the zoom, bring a large sample's own pixels, of which fewer were prepared ahead. */
  async sharpen() {
    const { item } = this;
    if (!this.zoom || item.sample.width <= item.ready.width || item.isSharpening) return;
    item.isSharpening = true;
    const picture = await loadPicture(item.sample, null, { maxSidePx: OWN_PIXELS_PX }).catch(() => null); // as it was
    item.isSharpening = false;
    if (!picture) return;
    if (this.item !== item || !this.zoom || !item.ready) return releasePicture(picture, null);
    releasePicture(item.ready, item.frame);
    [item.ready, item.frame] = [picture, null];
    this.zoom.replace(picture);
    this.draw();
  }

  drag(dx, dy) {
    this.zoom?.drag(dx, dy, this.zoomedSize());
    this.draw();
  }
}
