// The strip: the last ten decisions as thumbs with their verdicts; a click brings one back.

import { drawThumb, loadThumb } from "../picture/item.js";
import { MARKS, inWords } from "./status.js";

const LENGTH = 10;

export class Strip {
  /** `onPick(entry)` when one is clicked. */
  constructor(root, onPick) {
    this.element = root.querySelector(".strip ol");
    this.onPick = onPick;
    this.slots = Array.from({ length: LENGTH }, () => this.makeSlot());
  }

  makeSlot() {
    const place = document.createElement("li");
    place.innerHTML = '<button type="button"><canvas width="96" height="96" aria-hidden="true"></canvas><span class="mark" aria-hidden="true"></span></button>';
    const slot = { place, button: place.firstChild, entry: null };
    slot.button.addEventListener("click", () => slot.entry && this.onPick(slot.entry));
    slot.button.addEventListener("mousedown", (event) => event.preventDefault()); // focus, and so space, stays put
    return slot;
  }

  /** `entries` oldest first; the newest stands first. `picked` is the one on stage, or null. */
  show(entries, picked) {
    const latest = entries.slice(-LENGTH).reverse();
    const shown = latest.map((entry) => [entry.decision_id, entry.verdict, entry.reason, entry === picked, Boolean(entry.item.thumb)]).join();
    if (shown === this.shown) return;
    this.shown = shown;
    this.element.replaceChildren(...this.slots.slice(0, latest.length).map(({ place }) => place));
    latest.forEach((entry, k) => this.fill(this.slots[k], entry, entry === picked));
  }

  fill(slot, entry, isPicked) {
    const { place, button } = slot;
    button.className = entry.reason === "flag" ? "flag" : entry.verdict;
    button.ariaLabel = button.title = `${inWords(entry)}; change it`;
    if (isPicked) button.ariaCurrent = "true";
    else button.removeAttribute("aria-current");
    button.dataset.sampleId = entry.item.sample.sample_id;
    button.querySelector(".mark").textContent = entry.reason === "flag" ? MARKS.flag : MARKS[entry.verdict];
    const isNew = slot.entry !== entry || !slot.drawn;
    slot.entry = entry;
    if (isNew) slot.drawn = drawThumb(entry.item, place.querySelector("canvas"));
  }

  /** Load what thumbs are missing, after a reload, one by one so that the pictures to be judged come first. */
  async complete(entries) {
    for (const { item } of entries.slice(-LENGTH).reverse()) {
      await loadThumb(item);
      for (const slot of this.slots) {
        if (slot.entry?.item === item) slot.drawn = drawThumb(item, slot.place.querySelector("canvas"));
      }
    }
  }
}
