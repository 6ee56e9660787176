// What is on screen: one sample or a page of them, which comes next, and what surrounds it.

import { Editor } from "../repair/editor.js";
import { LookingTime } from "./clock.js";
import { Grid } from "./grid.js";
import { prepare } from "../picture/item.js";
import { isPair } from "../picture/pair.js";
import { captionFor, noticeFor } from "./notices.js";
import { Stage } from "./stage.js";
import { inWords } from "./status.js";
import { Strip } from "./strip.js";
import { Tools } from "./tools.js";
import { WholeImage } from "./whole_image.js";

const AHEAD = 16; // samples held ready, DESIGN
const MEASURES = 5000; // of key to paint that the browser keeps

export class Screen {
  /** Shows what `viewer` knows: its feed, journal, outbox; `onPick(entry)` when a past decision is clicked. */
  constructor(viewer, root, settings, { onPick }) {
    this.viewer = viewer;
    this.root = root;
    this.settings = settings;
    this.status = viewer.status;
    this.clock = new LookingTime();
    this.picked = null; // the past decision that is on stage again
    this.decidedAt = null; // the key whose successor is being painted
    this.firstPaint = new Promise((resolve) => (this.paintedOnce = resolve));
    this.stage = new Stage(root, settings, (now) => this.painted(now));
    this.grid = new Grid(root, settings, {
      onPainted: (now) => this.painted(now),
      onMark: () => this.showState(),
      onResize: () => this.inGrid && this.show(),
    });
    this.isRepairing = false;
    this.editor = new Editor(root, settings, {
      onChange: () => this.showRepair(),
      onProblem: (text) => this.status.warn(text),
    });
    this.tools = new Tools(root, settings, () => this.redraw());
    this.strip = new Strip(root, onPick);
    this.wholeImage = new WholeImage(root, { onProblem: (text) => this.status.warn(text) });
  }

  get feed() {
    return this.viewer.feed;
  }

  get canGrid() {
    return this.feed.queue === "work"; // a second look wants the others' verdicts beside the picture
  }

  get inGrid() {
    return this.settings.grid && this.canGrid && !this.picked && !this.isPairNext; // two masks want the room of a sample
  }

  get isPairNext() {
    const [next] = this.feed.upcoming;
    return Boolean(next && isPair(next.sample));
  }

  /** Whether two masks are on stage to choose from. */
  get isPair() {
    return Boolean(!this.inGrid && this.stage.item && isPair(this.stage.item.sample));
  }

  /** How the next samples will be shown, see frame.js. */
  get look() {
    return this.inGrid ? this.grid.look : this.stage.look;
  }

  /** The item that keys are about: on stage, or with the focus in the grid. */
  get current() {
    return this.inGrid ? (this.grid.items[this.grid.current] ?? null) : this.stage.item;
  }

  /** What a page of the grid would show now; a sample with two masks comes after it, alone. */
  get pageItems() {
    const items = this.feed.upcoming.slice(0, this.grid.pageSize);
    const end = items.findIndex(({ sample }) => isPair(sample));
    return end < 0 ? items : items.slice(0, end);
  }

  /** Whether images that were compared meanwhile make the page longer, and nothing on it is marked yet. */
  get canGrow() {
    const { items } = this.grid;
    const isLikeness = this.inGrid && this.feed.filter.has("like");
    return isLikeness && items.length < this.pageItems.length && !items.some((item) => item.isBad);
  }

  get isEmpty() {
    return this.inGrid ? this.grid.items.length === 0 : !this.stage.item;
  }

  // Whose turn it is ------------------------------------------------------------------------------------------

  show() {
    if (this.isRepairing) this.endRepair();
    this.viewer.asking = null;
    this.viewer.stopAskingWhich();
    this.clock.stop();
    this.showFrame();
    this.feed.ahead = this.inGrid ? Math.max(AHEAD, 2 * this.grid.pageSize) : AHEAD;
    if (this.inGrid) this.showPage();
    else this.showOne();
    this.showState();
  }

  /** Show something else than what follows a decision. */
  showAnother() {
    this.decidedAt = null;
    this.show();
  }

  /** What surrounds the picture, first, for it says how much room is left. */
  showFrame() {
    const caption = this.root.querySelector(".caption");
    const text = captionFor(this.picked, this.feed.upcoming[0]?.sample, inWords);
    const isSame = this.root.classList.contains("in-grid") === this.inGrid && caption.hidden === !text;
    this.root.classList.toggle("in-grid", this.inGrid);
    this.root.querySelector("#back").hidden = !this.picked;
    caption.hidden = !text;
    caption.querySelector("span").textContent = text;
    const chips = this.root.querySelector(".chips");
    const before = chips.offsetHeight;
    this.viewer.filterPanel.showChips(this.feed);
    if (isSame && before === chips.offsetHeight) return;
    this.stage.measure();
    this.grid.measure();
  }

  showOne() {
    const item = this.picked?.item ?? this.feed.upcoming[0] ?? null;
    this.grid.hide();
    this.stage.show(item && prepare(item, this.look));
    if (!item) this.showNotice();
  }

  showPage() {
    this.grid.fitTo(this.feed.upcoming.map((item) => item.sample));
    const items = this.pageItems;
    const isCut = items.length < this.feed.upcoming.length; // by the page's size, or by a sample with two masks
    const isShort = !isCut && items.length < this.grid.pageSize && (this.feed.asking || this.feed.remaining === null);
    this.stage.show(null);
    this.grid.hide();
    if (isShort) this.feed.refill(); // its answer comes here again
    if (isShort && this.feed.problem === null) return this.stage.leave();
    if (items.length === 0) return this.showNotice();
    this.stage.leave();
    this.grid.show(items.map((item) => prepare(item, this.look)));
  }

  showNotice() {
    const { outbox, published, me } = this.viewer;
    const notice = noticeFor({ feed: this.feed, outbox, published, isLead: me.role === "lead" });
    if (notice) this.stage.notice(notice);
    else if (outbox.size === 0) this.feed.refill(); // else the acknowledgement of what is on its way comes here again
    if (!notice) return;
    this.decidedAt = null;
    this.paintedOnce();
  }

  painted(now) {
    this.paintedOnce();
    this.clock.start(now);
    if (this.decidedAt !== null) {
      if (performance.getEntriesByName("key-to-paint").length >= MEASURES) performance.clearMeasures("key-to-paint");
      performance.measure("key-to-paint", { start: this.decidedAt, end: Math.max(now, this.decidedAt) });
      this.decidedAt = null;
    }
    this.showState();
    this.drawAhead();
  }

  drawAhead() {
    if (this.inGrid) this.grid.drawAhead(this.feed.upcoming.slice(this.grid.items.length, 2 * this.grid.pageSize));
    else this.stage.drawAhead(this.feed.upcoming.filter((item) => item !== this.stage.item));
  }

  redraw() {
    if (this.inGrid) this.grid.redraw();
    else this.stage.draw();
    this.drawAhead();
  }

  // What surrounds it -----------------------------------------------------------------------------------------

  showState() {
    const { journal } = this.viewer;
    this.viewer.filterPanel.showChips(this.feed);
    this.status.showProgress(this.feed.progress, journal.entries);
    this.status.showLabelling(this.feed.labelling);
    this.status.showReasons(this.viewer.asking ?? journal.remarkable, Boolean(this.viewer.asking));
    this.status.showAbout(this.inGrid ? null : this.stage.item);
    this.strip.show(journal.entries, this.picked);
    this.showTools();
    const item = this.stage.isPainted ? this.stage.item : null;
    const enable = (selector, isOn) => (this.root.querySelector(selector).disabled = !isOn);
    for (const id of ["#accept", "#accept-b", "#reject", "#repair"]) enable(id, item && !item.error);
    this.root.classList.toggle("in-pair", this.isPair);
    this.root.querySelector("#accept .word").textContent = this.isPair ? "Accept A" : "Accept";
    for (const id of ["#skip", "#flag"]) enable(id, item);
    enable("#undo", !journal.isEmpty);
    enable("#alike", this.canGrid && this.current);
    enable("#confirm", this.inGrid && this.grid.isPainted);
    const count = (wanted) => this.grid.verdicts.filter(([, verdict]) => verdict === wanted).length;
    this.root.querySelector("#confirm .counts").textContent = `accept ${count("accept")}, reject ${count("reject")}`;
  }

  showTools() {
    this.tools.show({ isGrid: this.inGrid, isZoomed: Boolean(this.stage.zoom), canGrid: this.canGrid });
  }

  // Repairing -------------------------------------------------------------------------------------------------

  startRepair() {
    this.isRepairing = true;
    this.stage.hideMask(false);
    this.root.classList.add("repairing");
    this.showRepair();
  }

  /** Close the editor; the sample is on stage as before. */
  endRepair(options) {
    if (this.editor.isOpen) this.editor.close(options);
    this.isRepairing = false;
    this.root.classList.remove("repairing");
  }

  showRepair() {
    const { editor } = this;
    const find = (selector) => this.root.querySelector(selector);
    const press = (selector, isOn) => (find(selector).ariaPressed = String(isOn));
    press("#brush", !editor.isEraser);
    press("#eraser", editor.isEraser);
    press("#smart", editor.isSmart);
    press("#point", editor.isPoint);
    find("#brush-size").textContent = `size ${editor.size + 1}`;
    find("#undo-stroke").disabled = !editor.draft?.changes.length;
    find("#redo-stroke").disabled = !editor.draft?.undone.length;
    find("#fix").disabled = !editor.draft || editor.waiting > 0;
    this.root.classList.toggle("refining", editor.waiting > 0);
  }

  // Looking ---------------------------------------------------------------------------------------------------

  hideMask(isHidden) {
    if (this.isRepairing) return this.editor.hideMask(isHidden);
    this.stage.hideMask(isHidden);
    this.grid.hideMask(isHidden);
  }

  toggleZoom() {
    this.stage.toggleZoom();
    this.showTools();
    this.status.say(this.stage.zoom ? "zoom on, arrow keys follow the edge" : "zoom off");
  }

  toggleWholeImage() {
    if (this.stage.item) this.wholeImage.toggle(this.stage.item.sample);
  }

  /** Along the edge; false without the zoom. */
  travel(steps) {
    if (!this.stage.zoom) return false;
    this.stage.travel(steps);
  }

  toggle(name) {
    this.status.say(`${name} ${this.tools.toggle(name) ? "on" : "off"}`);
  }

  toggleGrid() {
    if (!this.canGrid) return;
    this.picked = null;
    this.tools.toggle("grid");
    this.showAnother();
    this.feed.refillIfLow();
    this.status.say(this.inGrid ? "grid: all accepted unless marked, Enter confirms the page" : "one at a time");
  }
}
