// The grid: a page of samples at once, each accepted unless it is marked as bad.

import { afterPaint, copyInto, whenIdle } from "../picture/canvas.js";
import { makeLook, renderFrame } from "../picture/frame.js";
import { bare } from "../picture/views.js";

export const MAX_CELLS = 16;
const FEW = 6; // cells: fewer only where no more fit
const LEAST_PX = 200; // height of a picture that a mask can be judged in
const ASPECT = 0.75; // width by height of most portraits, until the samples are known
const GAP_PX = 8; // as in panels.css
const FRAME_PX = 10; // a cell's border and padding, left and right together

export class Grid {
  /**
   * `onPainted(now)` when every picture of the page has been on screen for a frame; `onMark()` after each mark;
   * `onResize()` when another number of cells may fit.
   */
  constructor(root, settings, { onPainted, onMark, onResize }) {
    this.element = root.querySelector(".grid");
    this.scene = root.querySelector(".scene");
    this.settings = settings;
    this.onPainted = onPainted;
    this.onMark = onMark;
    this.items = [];
    this.isPainted = false;
    this.isBare = false;
    this.aspect = null; // width by height of the samples: cells are cut so that most of these fill them
    new ResizeObserver(() => {
      this.measure();
      if (this.items.length > 0) onResize();
    }).observe(this.scene);
    this.cells = Array.from({ length: MAX_CELLS }, (_, k) => this.makeCell(k));
  }

  makeCell(k) {
    const cell = document.createElement("button");
    cell.type = "button";
    cell.innerHTML = '<canvas aria-hidden="true"></canvas><span class="bad-mark" aria-hidden="true">✕</span><span class="cell-note"></span>';
    cell.addEventListener("click", () => this.toggle(k));
    cell.addEventListener("focus", () => (this.current = k));
    this.element.append(cell);
    return cell;
  }

  get box() {
    this.boxKept ??= this.scene.getBoundingClientRect();
    return this.boxKept;
  }

  /** The scene may have another size now. */
  measure() {
    this.boxKept = this.layoutKept = null;
  }

  /** {columns, rows} whose pictures fill the window best. */
  get layout() {
    this.layoutKept ??= this.bestLayout();
    return this.layoutKept;
  }

  /** Cut the cells for samples like these; once, so that pages keep their size. */
  fitTo(samples) {
    if (this.aspect || samples.length === 0) return;
    const aspects = samples.map(({ width, height }) => width / height).sort((a, b) => a - b);
    this.aspect = aspects[aspects.length >> 1];
    this.measure();
  }

  bestLayout() {
    const aspect = this.aspect ?? ASPECT;
    let best = { columns: 1, rows: 1, area: 0 };
    for (let rows = 1; rows <= MAX_CELLS; rows++) {
      for (let columns = 1; columns * rows <= MAX_CELLS; columns++) {
        const cell = this.boxOf({ columns, rows });
        const height = Math.min(cell.height, cell.width / aspect);
        const worth = Math.min(1, (columns * rows) / FEW) ** 3; // the fewer, the less of a page it is
        const area = worth * columns * rows * aspect * height * height;
        if (height >= LEAST_PX && area > best.area) best = { columns, rows, area };
      }
    }
    return best;
  }

  /** What a picture has of its cell, in CSS pixels. */
  get cellBox() {
    return this.boxOf(this.layout);
  }

  boxOf({ columns, rows }) {
    const { width, height } = this.box;
    return {
      width: Math.max(1, (width - (columns - 1) * GAP_PX) / columns - FRAME_PX),
      height: Math.max(1, (height - (rows - 1) * GAP_PX) / rows - FRAME_PX),
    };
  }

  get pageSize() {
    return this.layout.columns * this.layout.rows;
  }

  /** Put a page of prepared items on screen; each is drawn as soon as its picture is there. */
  show(items) {
    const { columns, rows } = this.layout;
    this.items = items;
    this.current = 0;
    this.setPainted(false);
    this.element.hidden = false;
    this.element.style.gridTemplate = `repeat(${rows}, minmax(0, 1fr)) / repeat(${columns}, minmax(0, 1fr))`;
    this.cells.forEach((cell, k) => {
      cell.hidden = k >= items.length;
      cell.dataset.sampleId = items[k]?.sample.sample_id ?? "";
      cell.querySelector("canvas").hidden = true;
      cell.querySelector(".cell-note").textContent = "";
    });
    this.focus();
    const loading = [];
    items.forEach((item, k) => {
      this.draw(k);
      if (!item.ready && !item.error) loading.push(item.picture.then(() => this.items === items && this.draw(k)));
    });
    if (loading.length > 0) Promise.all(loading).then(() => this.finish(items));
    else this.finish(items);
  }

  finish(items) {
    afterPaint((now) => {
      if (this.items !== items || this.isPainted) return;
      this.setPainted(true);
      this.onPainted(now);
    });
  }

  hide() {
    this.items = [];
    this.element.hidden = true;
    this.isPainted = false;
  }

  setPainted(isPainted) {
    this.isPainted = isPainted;
    this.element.dataset.painted = String(isPainted);
    this.element.ariaBusy = String(!isPainted);
  }

  redraw() {
    this.items.forEach((_, k) => this.draw(k));
  }

  draw(k) {
    const { ready, error, isBad } = this.items[k];
    const [cell, canvas] = [this.cells[k], this.cells[k].querySelector("canvas")];
    const verdict = error ? "left out" : isBad ? "reject" : "accept";
    cell.classList.toggle("bad", Boolean(isBad));
    cell.ariaPressed = String(Boolean(isBad));
    cell.disabled = Boolean(error);
    cell.ariaLabel = `Mask ${k + 1} of ${this.items.length}: ${verdict}`;
    cell.querySelector(".cell-note").textContent = error ? `Left out: ${error}` : "";
    canvas.hidden = !ready;
    if (!ready) return;
    const frame = this.isBare ? renderFrame(ready, this.look, [bare]) : this.frameOf(this.items[k]);
    copyInto(canvas, frame.panes[0].image);
  }

  frameOf(item) {
    const { look } = this;
    if (item.frame?.key !== look.key) item.frame = renderFrame(item.ready, look);
    return item.frame;
  }

  get look() {
    return makeLook(this.settings, this.cellBox, { isCell: true, ratio: window.devicePixelRatio || 1 });
  }

  /** Draw the next page's items before their turn, one by one, while nothing else is to be done. */
  drawAhead(items) {
    const { key } = this.look;
    const item = items.find(({ ready, frame }) => ready && frame?.key !== key);
    if (!item || this.isDrawingAhead || this.element.hidden) return;
    this.isDrawingAhead = true;
    whenIdle(() => {
      this.isDrawingAhead = false;
      if (this.element.hidden) return;
      if (item.ready) this.frameOf(item);
      this.drawAhead(items);
    });
  }

  hideMask(isBare) {
    if (this.isBare === isBare) return;
    this.isBare = isBare;
    this.redraw();
  }

  toggle(k = this.current) {
    const item = this.items[k];
    if (!item || item.error) return;
    item.isBad = !item.isBad;
    this.current = k;
    this.draw(k);
    this.onMark();
  }

  /** Move the focus by (dx, dy) cells, within the page. */
  move(dx, dy) {
    const { columns } = this.layout;
    const column = (this.current % columns) + dx;
    const wanted = this.current + dx + dy * columns;
    if (column < 0 || column >= columns || wanted < 0 || wanted >= this.items.length) return;
    this.current = wanted;
    this.focus();
  }

  focus() {
    this.cells[this.current]?.focus({ preventScroll: true });
  }

  /** [item, verdict] of the page, in its order; a picture that can't be shown is skipped. */
  get verdicts() {
    return this.items.map((item) => [item, item.error ? "skip" : item.isBad ? "reject" : "accept"]);
  }
}
