// What the page says beside the picture: progress and pace, the last decision and its reasons, what is unsaved.

import { drawThumb } from "./picture.js";

const PACE_OVER = 20; // decisions whose median is the pace shown
const MESSAGE_MS = 6000;

export const PAST_TENSE = { accept: "✓ accepted", reject: "✕ rejected", skip: "⇥ skipped" };

export class Status {
  constructor(root) {
    this.root = root;
    this.message = root.querySelector("#message");
    this.stays = false;
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  /** `history` is oldest first. */
  showProgress({ done, total }, history) {
    const times = history.map((entry) => entry.decision_ms).filter((time) => time !== null).slice(-PACE_OVER);
    const pace = times.length ? ` · ${(median(times) / 1000).toFixed(1)} s per mask` : "";
    this.find("#progress").textContent = `${done} / ${total}${pace}`;
    Object.assign(this.find("progress"), { value: done, max: Math.max(1, total) });
  }

  /** The last decision; `rejected` is the one that a reason may be given for, or null. */
  showLast(last, rejected) {
    this.find(".last span").textContent = last ? PAST_TENSE[last.verdict] : "";
    const thumb = this.find(".thumb");
    thumb.hidden = !last?.item.ready;
    if (last?.item.ready) drawThumb(last.item.ready, thumb);
    this.find(".reasons").classList.toggle("asked", Boolean(rejected));
    for (const button of this.root.querySelectorAll("[data-reason]")) {
      button.disabled = !rejected;
      button.ariaPressed = String(rejected?.reason === button.dataset.reason);
    }
  }

  showUnsaved(count, problem) {
    const mark = this.find("#unsaved");
    mark.hidden = count === 0;
    mark.textContent = `${count} unsaved`;
    mark.classList.toggle("bad", Boolean(problem));
    if (problem) this.warn(`Not saved yet: ${problem}. Your decisions are kept in this browser and sent again.`, { stays: true });
    else if (this.stays) this.hush();
  }

  tell(text, { bad = false, stays = false } = {}) {
    this.message.textContent = text;
    this.message.hidden = false;
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
