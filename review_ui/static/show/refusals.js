// Decisions that the server would not store, with the reason: kept, also over a reload, until the reviewer dismisses them.

import { VERDICT_WORDS } from "./status.js";

export class Refusals {
  constructor(root, key) {
    this.element = root.querySelector("#refused");
    this.list = this.element.querySelector("ul");
    this.key = key;
    this.items = this.stored();
    this.element.querySelector("[data-action=dismiss]").addEventListener("click", () => this.set([]));
    this.show();
  }

  /** `decision` is the one sent, if it is known. */
  add({ error }, decision) {
    this.set([...this.items, { error, verdict: decision?.verdict ?? null, sample_id: decision?.sample_id ?? null }]);
  }

  set(items) {
    this.items = items;
    try {
      localStorage.setItem(this.key, JSON.stringify(items));
    } catch {
      // no storage, or full: the list lives as long as the page
    }
    this.show();
  }

  stored() {
    try {
      return JSON.parse(localStorage.getItem(this.key)) ?? [];
    } catch {
      return [];
    }
  }

  show() {
    const count = this.items.length;
    this.element.hidden = count === 0;
    if (count === 0) this.element.open = false;
    this.element.querySelector("summary").textContent = `${count} not stored`;
    this.list.replaceChildren(...this.items.map((item) => this.line(item)));
  }

  line(item) {
    const place = document.createElement("li");
    const text = document.createElement("span");
    const verdict = VERDICT_WORDS[item.verdict] ?? "decision";
    text.textContent = `${verdict}${item.sample_id ? ` on ${item.sample_id.slice(0, 8)}` : ""}: ${item.error}`;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Dismiss";
    button.addEventListener("click", () => this.set(this.items.filter((other) => other !== item)));
    place.append(text, button);
    return place;
  }
}
