// The texts around the picture: progress and pace, the file, the reasons of a reject, unsaved decisions.

import { reasonsOf } from "../lib/reasons.js";
import { labellingInShort } from "./labelling.js";
import { drawThumb } from "../picture/item.js";

const PACE_OVER = 20; // decisions whose median is the pace shown
const MESSAGE_MS = 6000;

export const MARKS = { accept: "✓", reject: "✕", skip: "⇥", flag: "⚑" };
export const VERDICT_WORDS = { accept: "accepted", reject: "rejected", skip: "skipped" };
export const FLAG = "flag"; // the reason of a skip that asks the lead to look

/** A decision in words: "rejected: hair", "accepted B". */
export function inWords({ verdict, reason, side }) {
  if (verdict === "skip" && reason === FLAG) return "flagged for the lead";
  return VERDICT_WORDS[verdict] + (side ? ` ${side}` : "") + (reason ? `: ${reason}` : "");
}

/** File, size, why it comes now: "IMG_1234.jpg · 480 × 640 · doubt 0.86 · 2 pieces". */
function aboutOf({ sample: { name, width, height, doubt, rival_iou }, ready }) {
  const { pieces = 1, holes = 0 } = ready?.pair ? {} : (ready?.shape ?? {});
  const found = [
    name,
    `${width} × ${height}`,
    ready?.pair ? `2 masks, IoU ${rival_iou.toFixed(2)}` : doubt === null || doubt === undefined ? "" : `doubt ${doubt.toFixed(2)}`,
    pieces === 0 ? "no person" : pieces > 1 ? `${pieces} pieces` : "",
    holes > 1 ? `${holes} holes` : holes === 1 ? "1 hole" : "",
  ];
  return found.filter(Boolean).join(" · ");
}

export class Status {
  constructor(root) {
    this.root = root;
    this.message = root.querySelector("#message");
    this.text = this.message.querySelector("span");
    this.link = this.message.querySelector("a");
    this.reasons = [...root.querySelectorAll("[data-reason]")];
    this.stays = false;
    this.noteText = root.querySelector("#note-text");
    this.noted = null; // the entry whose note is being typed
    this.listenToNote();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  /** `entries` of the journal, oldest first. */
  showProgress({ done, total, flagged = 0 }, entries) {
    const times = entries.map((entry) => entry.decision_ms).filter((time) => time !== null).slice(-PACE_OVER);
    const pace = times.length ? ` · ${(median(times) / 1000).toFixed(1)} s per mask` : "";
    this.find("#progress").textContent = `${done} / ${total}${flagged ? ` · ${flagged} flagged` : ""}${pace}`;
    Object.assign(this.find("progress"), { value: done, max: Math.max(1, total) });
  }

  /** `labelling` is that of the feed, null for none. */
  showLabelling(labelling) {
    const mark = this.find("#labelling");
    mark.hidden = !labelling;
    mark.textContent = labelling ? labellingInShort(labelling) : "";
  }

  /**
   * `entry` is the reject or flag that reasons and a note may be added to, or null; while it `waits` for a reason, nothing
   * else goes on.
   */
  showReasons(entry, waits = false) {
    this.find("#about").hidden = Boolean(entry);
    this.find(".reasons").hidden = !entry;
    this.find("#no-reason").hidden = !waits;
    this.find("#note").hidden = waits;
    if (this.noted !== entry) this.closeNote();
    if (!entry) return;
    drawThumb(entry.item, this.find(".why canvas"));
    this.find(".why .word").textContent = entry.verdict === "reject" ? "Why" : "Flagged";
    this.find("#note .word").textContent = entry.note ? "Note ✓" : "Note";
    const given = reasonsOf(entry.reason);
    for (const button of this.reasons) {
      button.hidden = entry.verdict !== "reject";
      button.disabled = false;
      button.ariaPressed = String(given.includes(button.dataset.reason));
    }
  }

  /** Let a note be typed on `entry`; `onNote(text)` with Enter, null for an empty one. */
  openNote(entry, onNote) {
    this.noted = entry;
    this.onNote = onNote;
    this.find(".reasons").classList.add("noting");
    this.noteText.value = entry.note ?? "";
    this.noteText.focus();
  }

  closeNote() {
    if (!this.noted) return;
    this.noted = this.onNote = null;
    this.find(".reasons").classList.remove("noting");
    this.noteText.blur();
  }

  listenToNote() {
    this.find("#note-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const [note, onNote] = [this.noteText.value.trim() || null, this.onNote];
      this.closeNote();
      onNote?.(note);
    });
    this.noteText.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation(); // it leaves the note, and nothing else
      this.closeNote();
    });
  }

  /** What is on stage, in one quiet line; nothing without an item. */
  showAbout(item) {
    this.find("#about").textContent = item ? aboutOf(item) : "";
  }

  showUnsaved(count, problem, isSignedOut) {
    const mark = this.find("#unsaved");
    mark.hidden = count === 0;
    mark.textContent = `${count} unsaved`;
    mark.classList.toggle("bad", Boolean(problem));
    if (isSignedOut) this.showSignedOut();
    else if (problem) this.warn(`Not saved yet: ${problem}. Your decisions are kept in this browser and sent again.`, { stays: true });
    else if (this.stays) this.hush();
  }

  showSignedOut() {
    this.warn("Signed out: sign in again, your decisions are kept.", { stays: true, signIn: true });
  }

  tell(text, { bad = false, stays = false, signIn = false } = {}) {
    if (this.text.textContent !== text) this.text.textContent = text; // screen readers read it once
    this.message.hidden = false;
    this.link.hidden = !signIn;
    this.link.textContent = signIn ? "Sign in" : "";
    this.message.classList.toggle("bad", bad);
    this.stays = stays;
    clearTimeout(this.timer);
    if (!stays) this.timer = setTimeout(() => this.hush(), MESSAGE_MS);
  }

  warn(text, options = {}) {
    this.tell(text, { ...options, bad: true });
  }

  hush() {
    this.stays = false;
    this.message.hidden = true;
    this.text.textContent = this.link.textContent = "";
  }

  /** For screen readers. */
  say(text) {
    this.find(".spoken").textContent = text;
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
