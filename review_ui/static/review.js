// The viewer: what is on screen, and what a decision does. A key decides and paints the next sample at once from
// pictures prepared ahead; the decision goes out in the background (outbox.js).

import { toBase64 } from "./lib/base64.js";
import { recalled, repaired, unrepaired } from "./picture/item.js";
import { SIDES, sideOf, sidesOf, withSide } from "./picture/pair.js";
import { SignIn, showAccount, whoAmI } from "./account.js";
import { listen } from "./controls.js";
import { dropFromAddress, filterOf, keepInAddress } from "./lib/address.js";
import { FilterPanel } from "./show/filter_panel.js";
import { Feed } from "./sync/feed.js";
import { newId } from "./lib/id.js";
import { KeyMap } from "./lib/key_map.js";
import { KeyDialog } from "./show/key_dialog.js";
import { Journal } from "./sync/journal.js";
import { Outbox } from "./sync/outbox.js";
import { Refusals } from "./show/refusals.js";
import { reasonsOf, toggled } from "./lib/reasons.js";
import { callAs, request } from "./lib/request.js";
import { Screen } from "./show/screen.js";
import { Settings } from "./lib/settings.js";
import { FLAG, Status, inWords } from "./show/status.js";
import { release, tabId } from "./sync/tab.js";

const GROWN_MS = 700; // to see that a page of the grid has grown, before it can be confirmed
const RECALLED = 100; // decisions asked for after a reload: 20 steps, some of them pages of the grid

/** Bring the viewer under `root` to life. */
export async function start(root) {
  const status = new Status(root);
  const me = await whoAmI((error) => {
    if (error.status === 401) status.showSignedOut();
    else status.warn(`Waiting for the server: ${error.message}`, { stays: true });
  });
  callAs(me.name);
  status.hush();
  return new Viewer(root, me, status).open();
}

class Viewer {
  constructor(root, me, status) {
    this.root = root;
    this.me = me;
    this.status = status;
    this.settings = new Settings();
    this.keyMap = new KeyMap(this.settings);
    this.keyDialog = new KeyDialog(root, this.keyMap);
    this.journal = new Journal();
    this.published = null; // the version just made, until the next decision
    this.asking = null; // a reject on stage that waits for its reason, like an entry of the journal
    this.grownAt = -Infinity;
    this.before = null; // {filter, grid} that look-alikes were asked for from
    this.filterPanel = new FilterPanel(root, { onChoose: (filter) => (filter.size > 0 ? this.useFilter(filter) : this.clearFilter()) });
    this.screen = new Screen(this, root, this.settings, {
      onPick: (entry) => (entry === this.screen.picked ? this.back() : this.pick(entry)),
    });
    this.refusals = new Refusals(root, `review-refused:${root.dataset.dataset}:${encodeURIComponent(me.name)}`);
    this.tab = tabId();
    this.outbox = new Outbox(root.dataset.dataset, me.name, {
      onChange: () => this.outboxChanged(),
      onRefused: (refusal, decision) => this.refuse(refusal, decision),
      isStillMe: () => this.signIn.isStillMe(),
    });
    this.signIn = new SignIn(me, status, this.outbox);
    this.feed = new Feed(this.tab, this.outbox, {
      look: () => this.screen.look,
      onAnswer: () => this.fed(),
      onProblem: () => this.screen.isEmpty && this.screen.show(),
    });
  }

  async open() {
    showAccount(this.root, this.me);
    listen(this, this.root);
    document.addEventListener("visibilitychange", () => document.hidden || this.feed.refill()); // leases may have ended
    window.addEventListener("pagehide", () => release(this.tab)); // the outbox has sent its own by now
    this.feed.filter = filterOf(location.search);
    this.outboxChanged();
    await this.outbox.deliver();
    await Promise.all([this.feed.refill(), this.recall()]);
    const wanted = new URLSearchParams(location.search).get("sample");
    if (wanted) await this.visit(wanted);
  }

  // Deciding --------------------------------------------------------------------------------------------------

  /**
   * Decide what is on stage; with `mask`, a PNG's bytes, the sample gets it in its mask's place. Of two masks an accept takes
   * the one of its `side`.
   */
  decide(verdict, event, { reason = null, mask = null, side = null } = {}) {
    const { stage, inGrid, isRepairing, clock } = this.screen;
    const { item } = stage;
    if (inGrid || isRepairing || !item || !stage.isPainted || (item.error && verdict !== "skip")) return;
    if (!stage.isVisible) return this.status.warn("This window is too small to judge a mask in: make it larger, or turn the phone upright.");
    if (verdict === "accept" && this.screen.isPair && !side) return this.status.tell("Two masks: accept A or B.");
    if (verdict === "accept" && this.isAskingWhich) return this.repair(side);
    if (verdict === "reject" && this.settings.ask && reason === null && !this.asking) return this.ask(item);
    this.asking = null;
    const choice = verdict === "accept" ? this.choice(item, side) : {};
    const decided = mask ? repaired(item, mask, choice.side) : unrepaired(item);
    const entry = { verdict, reason, decision_ms: clock.read(event.timeStamp), mode: "single", item: decided, mask, ...choice };
    if (this.screen.picked) this.replace(this.screen.picked, entry);
    else this.feed.remove([item]);
    this.settle([entry], event);
    const isAsked = this.settings.ask && !this.screen.picked; // its reason was given before
    if ((verdict === "reject" && !isAsked) || reason === FLAG) this.journal.remarkable = entry;
    this.screen.showState();
    this.sayDone(inWords(entry));
  }

  /** {side, chosen} of an accept of two masks: the side taken, or, of a past repair on stage, that which it began with. */
  choice(item, side) {
    const { sample } = unrepaired(item);
    if (!sample.rival_mask_sha256) return {};
    const taken = this.screen.isPair ? side : this.screen.picked?.side;
    const { thumb } = item.ready?.pair?.[SIDES.indexOf(taken)] ?? {};
    if (thumb) Object.assign(item, { thumb, side: taken });
    return { side: taken, chosen: sidesOf(sample)[SIDES.indexOf(taken)]?.digest };
  }

  /** Open the editor on what is on stage; of two masks on that of a side, which is asked for. */
  async repair(side = null) {
    const { stage, editor, inGrid, isRepairing, isPair } = this.screen;
    if (inGrid || isRepairing || !stage.item?.ready || !stage.isPainted) return;
    if (isPair && !side) return this.askWhich();
    this.stopAskingWhich();
    this.screen.startRepair();
    this.repairedSide = isPair ? side : null;
    try {
      await editor.open(isPair ? { sample: withSide(stage.item.sample, side) } : stage.item);
      this.say("repair: draw on the person, Enter accepts the repaired mask, Escape leaves");
    } catch (error) {
      this.screen.endRepair();
      this.status.warn(`Not opened: ${error.message}`);
    }
  }

  /** Accept the sample with its repaired mask; as it is when nothing was changed. */
  async acceptRepaired(event) {
    const { editor } = this.screen;
    if (!editor.draft || editor.waiting > 0 || this.isEncoding) return;
    this.isEncoding = true; // a second Enter changes nothing
    const mask = await editor.png().finally(() => (this.isEncoding = false));
    this.screen.endRepair({ accepted: true });
    this.decide("accept", event, { mask, side: this.repairedSide });
  }

  /** Let the next accept of A or B open the editor on that mask. */
  askWhich() {
    this.isAskingWhich = true;
    this.status.tell("Repair which mask: A or B? Escape for neither.", { stays: true });
  }

  stopAskingWhich() {
    if (!this.isAskingWhich) return;
    this.isAskingWhich = false;
    this.status.hush();
  }

  leaveRepair() {
    const { editor } = this.screen;
    const isKept = editor.draft?.isChanged;
    this.screen.endRepair();
    if (isKept) this.status.tell("Left: the strokes are kept until this page is closed.");
  }

  /** The whole page of the grid: what isn't marked is accepted. */
  confirmPage(event) {
    const { grid, inGrid, clock } = this.screen;
    if (!inGrid || !grid.isPainted || event.timeStamp < this.grownAt + GROWN_MS) return;
    const { verdicts } = grid;
    const decision_ms = Math.round(clock.read(event.timeStamp) / verdicts.length);
    const entries = verdicts.map(([item, verdict]) => ({ verdict, reason: null, decision_ms, mode: "grid", item }));
    this.feed.remove(grid.items);
    this.settle(entries, event);
    const bad = entries.filter((entry) => entry.verdict === "reject").length;
    this.sayDone(`page of ${entries.length} confirmed, ${bad} rejected`);
  }

  /** Replace the decision on a mask by a later one. */
  replace(old, entry) {
    if (entry.verdict === "skip" && old.verdict !== "skip") this.outbox.add({ undo: old.decision_id, tab: this.tab }); // a skip replaces nothing
    this.journal.remove(old);
    this.count(old, -1);
    this.screen.picked = null;
  }

  settle(entries, event) {
    this.screen.decidedAt = event.timeStamp;
    this.journal.add(entries, newId());
    for (const entry of entries) this.count(entry, 1);
    this.screen.show();
    for (const entry of entries) this.post(entry);
    this.journal.keepSteps();
    this.feed.refillIfLow();
  }

  /** Let a reject wait for its reason, the picture still on stage. */
  ask(item) {
    this.asking = { verdict: "reject", reason: null, item };
    this.screen.showState();
    this.say("rejected: why? A number, or Enter for no reason");
  }

  /**
   * A reason of the reject that waits for one, null for no more: then it goes out. Or one more reason of the reject just
   * made, or one less: it goes out once more.
   */
  giveReason(reason, event) {
    if (this.asking) return this.decide("reject", event, { reason: reason ? withReason(this.asking.reason, reason) : this.asking.reason });
    const entry = this.journal.remarkable;
    if (entry?.verdict !== "reject" || !reason) return;
    this.remark(entry, { reason: toggled(entry.reason, reason) });
  }

  /** Collect a reason of the reject that waits, and wait for more. */
  collectReason(reason, event) {
    if (!this.asking || !reason) return this.giveReason(reason, event);
    this.asking.reason = toggled(this.asking.reason, reason);
    this.screen.showState();
    this.say(this.asking.reason ? `rejected: ${this.asking.reason}; more, or Enter` : "rejected: why?");
  }

  /** Let the reviewer type a note on the reject or flag just made; false when there is none. */
  openNote() {
    const entry = this.asking ? null : this.journal.remarkable;
    return entry ? this.status.openNote(entry, (note) => this.remark(entry, { note })) : false;
  }

  /** Send an entry once more, with other reasons or another note. */
  remark(entry, change) {
    Object.assign(entry, change);
    this.post(entry);
    this.journal.keepSteps();
    if (this.screen.picked) this.back();
    else this.screen.showState();
    this.sayDone(inWords(entry));
  }

  post(entry) {
    entry.decision_id = newId();
    const { decision_id, verdict, reason, note = null, decision_ms, mode, item, mask, chosen } = entry;
    const { sample_id, mask_sha256, rival_mask_sha256 } = unrepaired(item).sample;
    this.published = null;
    this.feed.noteDecided(sample_id);
    const repair = mask ? { mask: toBase64(mask) } : {};
    const choice = rival_mask_sha256 ? { rival_mask_sha256, ...(chosen ? { chosen_mask_sha256: chosen } : {}) } : {};
    this.outbox.add({ decision: { decision_id, sample_id, mask_sha256, verdict, reason, note, decision_ms, mode, tab: this.tab, ...repair, ...choice } });
  }

  undo() {
    if (this.asking) return this.back();
    if (this.screen.picked) return this.back();
    const taken = this.journal.takeBack();
    if (taken.length === 0) return;
    this.published = null;
    for (const entry of taken) {
      this.count(entry, -1);
      entry.item.isBad = entry.mode === "grid" && entry.verdict === "reject";
    }
    this.feed.putBack(taken.map((entry) => unrepaired(entry.item)));
    this.screen.showAnother();
    for (const entry of taken.reverse()) this.outbox.add({ undo: entry.decision_id, tab: this.tab }); // the sample is this tab's again
    this.sayDone(taken.length > 1 ? `page of ${taken.length} undone` : "undone");
  }

  /** A decision that the server refused: warn, list it, and fetch the queue again. */
  refuse(refusal, decision) {
    const entry = this.journal.find(refusal.decision_id);
    if (entry?.mask) this.screen.editor.keep(entry.item.sample, entry.mask);
    if (entry) {
      this.count(entry, -1);
      this.journal.remove(entry);
      if (this.screen.picked === entry) this.back();
    }
    this.refusals.add(refusal, decision);
    this.status.warn(`Not stored: ${refusal.error}`);
    this.screen.showState();
    this.feed.refill();
  }

  /** Publish; in the middle of the queue only after a question. */
  async publish() {
    const { feed } = this;
    if (feed.queue === "work" && feed.upcoming.length > 0 && !(await this.confirmPart())) return;
    this.status.tell("Publishing…");
    try {
      if (!(await this.outbox.deliver())) throw new Error(`${this.outbox.size} decisions are not saved yet`);
      const { manifest } = await request("api/publish", {});
      this.published = manifest;
      this.turnTo(this.feed.queue); // the new version may hold other masks
      this.status.tell(`Published ${manifest}`);
    } catch (error) {
      this.status.warn(`Not published: ${error.message}`);
    }
  }

  /** Whether the verdicts so far are to be published although masks wait. */
  async confirmPart() {
    const dialog = this.root.querySelector("#publish-part");
    const { done, total } = this.feed.progress;
    dialog.querySelector("p").textContent = `${total - done} of ${total} masks have no verdict yet; they stay pending in the next version, and reviewing goes on with it.`;
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    return dialog.returnValue === "publish";
  }

  // Past decisions --------------------------------------------------------------------------------------------

  /** Bring a past decision back on stage, to be changed. */
  pick(entry) {
    this.asking = null;
    this.screen.picked = entry;
    this.journal.remarkable = entry.verdict === "reject" || entry.reason === FLAG ? entry : null; // late, too
    this.screen.showAnother();
    this.say(`${inWords(entry)}; decide again, or Escape`);
  }

  /** Put the sample of the page's address on stage, decided or not; for leads. */
  async visit(sampleId) {
    dropFromAddress("sample"); // a reload goes on with the queue
    try {
      const { sample } = await request("api/visit", { sample_id: sampleId, tab: this.tab });
      this.screen.picked = { verdict: "skip", reason: null, decision_ms: null, mode: "single", item: { sample }, isVisit: true };
      this.screen.showAnother();
    } catch (error) {
      this.status.warn(`Not opened: ${error.message}`);
    }
  }

  /** Out of the zoom, or away from a reject that waits or a past decision; false when there was none of it. */
  back() {
    if (this.isAskingWhich) return this.stopAskingWhich();
    if (this.asking) {
      this.asking = null;
      return this.screen.showState();
    }
    if (this.screen.stage.zoom) return this.screen.toggleZoom();
    if (!this.screen.picked) return this.leaveLookAlikes();
    this.screen.picked = this.journal.remarkable = null;
    this.screen.showAnother();
    this.say("back");
  }

  /** Load the last decisions after a reload, so that they can be changed and undone. */
  async recall() {
    const { decisions } = await request(`api/history?n=${RECALLED}`).catch(() => ({ decisions: [] }));
    this.journal.recall(decisions.reverse().map(({ sample, ...entry }) => ({ mode: "single", ...entry, ...pastChoice(sample, entry), item: recalled(sample, entry) })));
    this.screen.showState();
    await this.screen.firstPaint;
    await this.screen.strip.complete(this.journal.entries);
  }

  // The server ------------------------------------------------------------------------------------------------

  /** Show an answer of the queue. */
  fed() {
    const { manifest } = this.feed;
    const version = this.root.querySelector(".version");
    version.textContent = manifest.split("/").at(-1).replace(".parquet", "");
    version.title = `Version under review: ${manifest}`;
    if (this.screen.isEmpty) this.screen.show();
    else if (this.screen.canGrow) this.growPage();
    else this.screen.showState();
    this.screen.drawAhead();
  }

  /** Show the page of the grid again, with what was found meanwhile; a key on its way was meant for the page before. */
  growPage() {
    this.grownAt = performance.now();
    this.screen.showAnother();
  }

  outboxChanged() {
    this.status.showUnsaved(this.outbox.size, this.outbox.problem, this.outbox.isSignedOut);
    if (this.screen.isEmpty) this.screen.show();
  }

  // Which masks, in which order -----------------------------------------------------------------------------------

  openFilter() {
    this.filterPanel.open(this.feed.filter, this.feed.queue);
  }

  /** Turn to what passes a filter (URLSearchParams); without one, to the whole queue. */
  useFilter(filter = new URLSearchParams()) {
    this.filterPanel.dialog.close();
    if (this.before) this.settings.grid = this.before.isGrid;
    this.before = null;
    this.turnTo(this.feed.queue, filter);
    this.say(filter.size > 0 ? "filtered" : "the whole queue");
  }

  /** Back to the queue before look-alikes, or to the whole queue. */
  clearFilter() {
    this.filterPanel.dialog.close();
    if (this.leaveLookAlikes() === false) this.useFilter();
  }

  /** Turn to all that waits and looks like the current sample, in the grid. */
  showLookAlikes() {
    const item = this.screen.current;
    if (!item || !this.screen.canGrid) return;
    const before = this.before ?? { filter: this.feed.filter, isGrid: this.settings.grid };
    this.settings.grid = true;
    this.turnTo("work", new URLSearchParams({ like: item.sample.sample_id }));
    this.before = before;
    this.say("look-alikes: all accepted unless marked, Enter confirms the page, Escape goes back");
  }

  /** Back to the queue before the look-alikes; false when it is on screen. */
  leaveLookAlikes() {
    if (!this.feed.filter.has("like")) return false;
    this.useFilter(this.before?.filter);
    return true;
  }

  /** Turn to a queue, from its beginning. */
  turnTo(queue, filter = queue === this.feed.queue ? this.feed.filter : new URLSearchParams()) {
    this.screen.picked = this.asking = null;
    keepInAddress(filter);
    this.feed.clear(queue, filter);
    for (const button of this.root.querySelectorAll("[data-queue]")) button.ariaPressed = String(button.dataset.queue === queue);
    this.screen.grid.hide();
    this.screen.showAnother();
    this.feed.refill();
  }

  toggleHelp() {
    const dialog = this.root.querySelector("#keys");
    if (dialog.open) return dialog.close();
    dialog.showModal();
    request("api/guideline").then(
      ({ html }) => (dialog.querySelector(".guideline").innerHTML = html), // the server lets no scripts in
      (error) => (dialog.querySelector(".guideline").textContent = `The guideline can't be shown: ${error.message}`),
    );
  }

  get dialogIsOpen() {
    return this.root.querySelector("dialog[open]") !== null;
  }

  count({ verdict }, difference) {
    if (verdict !== "skip") this.feed.count(difference);
  }

  sayDone(text) {
    const { done, total } = this.feed.progress;
    this.say(`${text}, ${done} of ${total}`);
  }

  say(text) {
    this.status.say(text);
  }
}

function withReason(text, reason) {
  return reasonsOf(text).includes(reason) ? text : toggled(text, reason);
}

/** {side, chosen} of a past accept of two masks, as the server tells it. */
function pastChoice(sample, { chosen_mask_sha256 }) {
  return chosen_mask_sha256 ? { side: sideOf(sample, chosen_mask_sha256), chosen: chosen_mask_sha256 } : {};
}
