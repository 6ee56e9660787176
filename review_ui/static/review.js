// The viewer: what keys and buttons do, and which sample comes next. A key decides and paints the next sample at
// once from pictures prepared ahead; the decision goes out in the background (outbox.js).

import { Outbox, newId } from "./outbox.js";
import { request } from "./request.js";
import { Stage, prepare } from "./stage.js";
import { PAST_TENSE, Status } from "./status.js";

const PREFETCH = 16; // samples asked for, DESIGN
const REFILL_BELOW = 12; // samples held ready
const HISTORY = 20; // decisions that can be undone
const RETRY_MS = 2000;

const KEYS = { a: "accept", x: "reject", " ": "skip", Backspace: "undo", "?": "help" };

/** Bring the viewer under `root` to life. */
export function start(root) {
  return new Viewer(root).open();
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.upcoming = []; // items {sample, picture, ready, error}; the first one is on screen
    this.history = []; // {decision_id, verdict, reason, decision_ms, item}, oldest first
    this.rejected = null; // the history entry that a reason key is about
    this.progress = { done: 0, total: 0 };
    this.remaining = null; // as the server last said; null when that no longer holds
    this.refilling = null; // while the server makes up its answer: the samples decided meanwhile
    this.problem = null; // why the last question what comes next failed
    this.published = null; // the version just made, until the next decision
    this.status = new Status(root);
    this.stage = new Stage(root, () => this.enable());
    this.outbox = new Outbox(root.dataset.dataset, {
      onChange: () => this.outboxChanged(),
      onRefused: (refusal) => this.refuse(refusal),
    });
  }

  async open() {
    this.listen();
    await this.outbox.deliver();
    await Promise.all([this.refill(), this.recall()]);
  }

  // Keys and buttons ------------------------------------------------------------------------------------------

  listen() {
    const actions = {
      "#accept": (event) => this.decide("accept", event),
      "#reject": (event) => this.decide("reject", event),
      "#skip": (event) => this.decide("skip", event),
      "#undo": () => this.undo(),
      "#publish, [data-action=publish]": () => this.publish(),
      "#help, [data-action=close-help]": () => this.toggleHelp(),
      "[data-reason]": (event) => this.giveReason(event.currentTarget.dataset.reason),
    };
    for (const [selector, act] of Object.entries(actions)) {
      for (const button of this.root.querySelectorAll(selector)) {
        button.addEventListener("click", act);
        button.addEventListener("mousedown", (event) => event.preventDefault()); // focus, and so space, stays put
      }
    }
    document.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || isTyping(event.target)) return;
    const onButton = event.target.matches?.("button, a") && (event.key === " " || event.key === "Enter");
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.repeat) {
      if (onButton || key in KEYS) event.preventDefault(); // a key held down decides once
    } else if (onButton) {
      // reached with Tab: the key presses the button
    } else if (key in KEYS) {
      event.preventDefault();
      this.act(KEYS[key], event);
    } else if (/^[1-9]$/.test(key) && !this.helpIsOpen) {
      this.giveReason(this.root.querySelectorAll("[data-reason]")[key - 1]?.dataset.reason);
    }
  }

  act(action, event) {
    if (action === "help") this.toggleHelp();
    else if (this.helpIsOpen) return;
    else if (action === "undo") this.undo();
    else this.decide(action, event);
  }

  get helpIsOpen() {
    return this.root.querySelector("#keys").open;
  }

  toggleHelp() {
    const dialog = this.root.querySelector("#keys");
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  enable() {
    const item = this.stage.paintedAt === null ? null : this.stage.item;
    for (const id of ["#accept", "#reject"]) this.root.querySelector(id).disabled = !item || Boolean(item.error);
    this.root.querySelector("#skip").disabled = !item;
    this.root.querySelector("#undo").disabled = this.history.length === 0;
  }

  // Deciding --------------------------------------------------------------------------------------------------

  decide(verdict, event) {
    const { item, paintedAt } = this.stage;
    if (!item || paintedAt === null || (item.error && verdict !== "skip")) return;
    const entry = { verdict, reason: null, decision_ms: Math.max(0, Math.round(event.timeStamp - paintedAt)), item };
    this.upcoming.shift();
    this.remaining = null;
    this.history = [...this.history, entry].slice(-HISTORY);
    this.rejected = verdict === "reject" ? entry : null;
    this.count(verdict, 1);
    this.show();
    this.post(entry);
    this.say(PAST_TENSE[verdict]);
    if (this.upcoming.length < REFILL_BELOW) this.refill();
  }

  /** The reject just made, once more with a reason: the later decision replaces the earlier one. */
  giveReason(reason) {
    if (!this.rejected || !reason) return;
    this.rejected.reason = reason;
    this.post(this.rejected);
    this.status.showLast(this.rejected, this.rejected);
    this.say(`rejected: ${reason}`);
  }

  post(entry) {
    entry.decision_id = newId();
    const { decision_id, verdict, reason, decision_ms, item } = entry;
    const { sample_id, mask_sha256 } = item.sample;
    this.published = null;
    this.refilling?.add(sample_id);
    this.outbox.add({ decision: { decision_id, sample_id, mask_sha256, verdict, reason, decision_ms } });
  }

  undo() {
    const entry = this.history.pop();
    if (!entry) return;
    const { sample_id } = entry.item.sample;
    this.rejected = null;
    this.published = null;
    this.remaining = null;
    this.count(entry.verdict, -1);
    this.upcoming = [prepare(entry.item), ...this.upcoming.filter((item) => item.sample.sample_id !== sample_id)];
    this.show();
    this.outbox.add({ undo: entry.decision_id });
    this.say("undone");
  }

  /** The server would not store a decision: say so, and ask it anew what waits. */
  refuse({ decision_id, error }) {
    const entry = this.history.find((candidate) => candidate.decision_id === decision_id);
    if (entry) this.count(entry.verdict, -1);
    this.history = this.history.filter((candidate) => candidate !== entry);
    this.status.warn(`Not stored: ${error}`);
    this.refill();
  }

  async publish() {
    this.status.tell("Publishing…");
    try {
      if (!(await this.outbox.deliver())) throw new Error(`${this.outbox.size} decisions are not saved yet`);
      const { manifest } = await request("/api/publish", {});
      this.published = manifest;
      this.upcoming = []; // the new version may hold other masks
      this.show();
      await this.refill();
      this.status.tell(`Published ${manifest}`);
    } catch (error) {
      this.status.warn(`Not published: ${error.message}`);
    }
  }

  outboxChanged() {
    this.status.showUnsaved(this.outbox.size, this.outbox.problem);
    if (this.upcoming.length === 0) this.show();
  }

  // What waits ------------------------------------------------------------------------------------------------

  /** Ask the server what comes next and append what isn't here yet. */
  async refill() {
    if (this.refilling) return;
    clearTimeout(this.timer);
    const settled = this.outbox.size === 0;
    this.refilling = this.outbox.decided; // these it may not have heard of
    try {
      this.take(await request(`/api/next?n=${PREFETCH + this.refilling.size}`), settled);
      this.problem = null;
    } catch (error) {
      this.problem = error.message;
      this.timer = setTimeout(() => this.refill(), RETRY_MS);
    }
    this.refilling = null;
    if (!this.stage.item) this.show();
  }

  take({ samples, remaining, progress, manifest }, settled) {
    const here = new Set([...this.refilling, ...this.upcoming.map((item) => item.sample.sample_id)]);
    const fresh = samples.filter((sample) => !here.has(sample.sample_id)).slice(0, PREFETCH);
    this.upcoming.push(...fresh.map((sample) => prepare({ sample })));
    this.remaining = remaining;
    if (settled && this.refilling.size === 0) this.progress = progress; // else it lacks what was counted here
    this.root.querySelector(".version").textContent = manifest;
    this.status.showProgress(this.progress, this.history);
  }

  /** After a reload: the last decisions, so that they can be undone. */
  async recall() {
    const { decisions } = await request(`/api/history?n=${HISTORY}`).catch(() => ({ decisions: [] }));
    const entries = decisions.reverse().map(({ sample, ...entry }) => ({ ...entry, item: { sample } }));
    this.history = [...entries, ...this.history].slice(-HISTORY);
    this.showState();
  }

  show() {
    const item = this.upcoming[0] ?? null;
    this.stage.show(item);
    this.showState();
    if (item) return;
    if (this.remaining === 0 && this.outbox.size === 0) this.showEnd();
    else if (this.problem ?? this.outbox.problem)
      this.stage.notice("Waiting for the server", `${this.problem ?? this.outbox.problem}. Your decisions are kept in this browser.`);
    else if (this.outbox.size === 0) this.refill(); // else the acknowledgement of what is on its way comes here again
  }

  showEnd() {
    const { done, total } = this.progress;
    if (total === 0) this.stage.notice("Nothing to review", "This version has no masks that a person judges.");
    else if (this.published) this.stage.notice("All reviewed and published", `${this.published} holds ${done} verdicts. Undo still works.`);
    else this.stage.notice("All reviewed", `${done} of ${total} masks have a verdict. Publish writes them as the next version; undo still works.`, { publish: true });
  }

  showState() {
    this.status.showProgress(this.progress, this.history);
    this.status.showLast(this.history.at(-1), this.rejected);
    this.enable();
  }

  count(verdict, difference) {
    if (verdict !== "skip") this.progress = { ...this.progress, done: this.progress.done + difference };
  }

  say(text) {
    this.status.say(`${text}, ${this.progress.done} of ${this.progress.total}`);
  }
}

function isTyping(target) {
  return target.isContentEditable || Boolean(target.matches?.("input, textarea, select"));
}
