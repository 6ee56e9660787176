// The stage: the sample on screen, or a notice in its place, and the moment from which a reviewer could see it.

import { drawPicture, loadPicture } from "./picture.js";

/** Start loading an item's picture unless it is here; `ready` or `error` is set when it is done. */
export function prepare(item) {
  if (item.ready) return item;
  item.error = null;
  item.picture = loadPicture(item.sample).then(
    (picture) => (item.ready = picture),
    (error) => (item.error = error.message),
  );
  return item;
}

export class Stage {
  /** `onPainted(item)` is called when an item has been on screen for a frame. */
  constructor(root, onPainted) {
    this.element = root.querySelector("#sample");
    this.figure = root.querySelector("figure");
    this.panel = root.querySelector(".notice");
    this.overlay = root.querySelector(".overlay");
    this.cutout = root.querySelector(".cutout");
    this.onPainted = onPainted;
    this.item = null;
    this.paintedAt = null; // null while the item on screen has not been painted: then no key acts
    new ResizeObserver(() => this.draw()).observe(this.element);
    document.addEventListener("visibilitychange", () => this.pauseClock());
  }

  /** Put a prepared item on screen, as soon as its picture is there; null takes the last one away. */
  show(item) {
    this.item = item;
    this.paintedAt = null;
    this.element.dataset.sampleId = item?.sample.sample_id ?? "";
    this.element.dataset.painted = "false";
    this.element.ariaBusy = "true";
    if (!item) return;
    if (item.ready || item.error) this.paint(item);
    else item.picture.then(() => this.item === item && this.paint(item));
  }

  notice(title, text, { publish = false } = {}) {
    this.figure.hidden = true;
    this.panel.hidden = false;
    this.panel.querySelector("h2").textContent = title;
    this.panel.querySelector("p").textContent = text;
    this.panel.querySelector("button").hidden = !publish;
  }

  paint(item) {
    if (item.error) this.notice("This picture can't be shown", `${item.error}. Skip it; the others go on.`);
    else this.draw();
    requestAnimationFrame(() => requestAnimationFrame((now) => this.painted(item, now))); // one frame has been shown
  }

  painted(item, now) {
    if (this.item !== item || this.paintedAt !== null) return;
    this.paintedAt = now;
    this.element.dataset.painted = "true";
    this.element.ariaBusy = "false";
    this.onPainted(item);
  }

  draw() {
    if (!this.item?.ready) return;
    this.panel.hidden = true;
    this.figure.hidden = false;
    drawPicture(this.item.ready, this.overlay, this.cutout, this.element.getBoundingClientRect());
  }

  /** Time with the page in the background is not spent looking. */
  pauseClock() {
    if (document.hidden) this.hiddenAt = performance.now();
    else if (this.paintedAt !== null && this.hiddenAt > this.paintedAt) this.paintedAt += performance.now() - this.hiddenAt;
  }
}
