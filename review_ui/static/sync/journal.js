// The decisions made on this page and before its last reload, so that they can be seen, changed and undone.
// An entry is {decision_id, verdict, reason, note, decision_ms, mode, step, item}; entries of one step are undone together.

import { unload } from "../picture/item.js";

const DEPTH = 20; // steps that can be undone
const PICTURES = 8; // entries that keep their pictures, for a quick way back
const STEPS_KEY = "review:steps"; // in sessionStorage: which decisions were made on one page of the grid

export class Journal {
  constructor() {
    this.entries = []; // oldest first
    this.remarkable = null; // the reject or flag that reasons and a note may be added to
  }

  get isEmpty() {
    return this.entries.length === 0;
  }

  get last() {
    return this.entries.at(-1);
  }

  /** Note entries made in one go. */
  add(entries, step) {
    for (const entry of entries) entry.step = step;
    this.entries.push(...entries);
    this.remarkable = null;
    this.trim();
    this.keepSteps();
  }

  /** After a reload: older entries, oldest first, as the server tells them. */
  recall(entries) {
    const steps = storedSteps();
    for (const entry of entries) entry.step = steps[entry.decision_id] ?? entry.decision_id;
    const known = new Set(this.entries.map((entry) => entry.item.sample.sample_id));
    this.entries = [...entries.filter((entry) => !known.has(entry.item.sample.sample_id)), ...this.entries];
    this.trim();
  }

  /** The entries of the last step, oldest first; they are no longer here. */
  takeBack() {
    const step = this.last?.step;
    const taken = this.entries.filter((entry) => entry.step === step);
    this.entries = this.entries.filter((entry) => entry.step !== step);
    this.remarkable = null;
    return taken;
  }

  remove(entry) {
    this.entries = this.entries.filter((candidate) => candidate !== entry);
    if (this.remarkable === entry) this.remarkable = null;
  }

  find(decisionId) {
    return this.entries.find((entry) => entry.decision_id === decisionId);
  }

  trim() {
    const steps = [...new Set(this.entries.map((entry) => entry.step))].slice(-DEPTH);
    const dropped = this.entries.filter((entry) => !steps.includes(entry.step));
    this.entries = this.entries.filter((entry) => steps.includes(entry.step));
    for (const { item } of [...dropped, ...this.entries.slice(0, -PICTURES)]) unload(item);
  }

  keepSteps() {
    const steps = this.entries.map((entry) => [entry.decision_id, entry.step]);
    try {
      sessionStorage.setItem(STEPS_KEY, JSON.stringify(Object.fromEntries(steps)));
    } catch {
      // no storage: after a reload a page of the grid is undone one by one
    }
  }
}

function storedSteps() {
  try {
    return JSON.parse(sessionStorage.getItem(STEPS_KEY)) ?? {};
  } catch {
    return {};
  }
}
