// Decisions and undos on their way to the server, in order. Each is kept in localStorage from the key press until
// the server acknowledged it, so that neither a reload nor a server away loses one. Sending one twice is harmless.

import { newId } from "../lib/id.js";
import { request } from "../lib/request.js";

const RETRY_MS = [500, 1000, 2000, 4000];
const MAX_BATCH = 50; // what a browser still sends when the page goes is 64 KiB

export const SIGNED_OUT_PROBLEM = "signed out";

export class Outbox {
  /**
   * For one reviewer on one queue. `onChange()` after every change of `size` or `problem`; `onRefused(refusal, decision)`
   * per refusal {decision_id, error}; `isStillMe()` is called after a 401: false when another reviewer has
   * signed in, whose decisions these are not.
   */
  constructor(dataset, reviewer, { onChange, onRefused, isStillMe }) {
    this.prefix = `review:${dataset}:${encodeURIComponent(reviewer)}:`;
    this.isStillMe = isStillMe;
    this.isSignedOut = false;
    this.onChange = onChange;
    this.onRefused = onRefused;
    this.items = storedItems(this.prefix);
    this.problem = null;
    this.failures = 0;
    this.last = Date.now();
    this.delivery = null;
    window.addEventListener("pagehide", () => this.leave());
    window.addEventListener("online", () => this.deliver());
  }

  get size() {
    return this.items.length;
  }

  /** Ids of the samples whose last word is still on its way, and it is a decision. */
  get decided() {
    return new Set(this.items.filter((item) => item.decision).map((item) => item.decision.sample_id));
  }

  /** Send `item`, {decision: {...}} or {undo: decision_id, tab}, after all others. */
  add(item) {
    this.last = Math.max(Date.now(), this.last + 1); // keys sort by age, also across a reload
    const entry = { ...item, key: `${this.prefix}${String(this.last).padStart(15, "0")}:${newId()}` };
    this.items.push(entry);
    try {
      localStorage.setItem(entry.key, JSON.stringify(item));
    } catch {
      // no storage, or full: the decision is still sent, only a reload could lose it
    }
    this.onChange();
    this.deliver();
  }

  /** Resolves when everything is acknowledged or the server refused to answer: true when nothing is left. */
  async deliver() {
    clearTimeout(this.timer);
    this.delivery ??= this.sendAll().finally(() => (this.delivery = null));
    await this.delivery;
    return this.size === 0;
  }

  async sendAll() {
    while (this.size > 0) {
      const batch = this.nextBatch();
      try {
        if (this.isSignedOut && !(await this.isStillMe())) return;
        this.isSignedOut = false;
        await this.send(batch);
      } catch (error) {
        this.isSignedOut ||= error.status === 401;
        this.problem = this.isSignedOut ? SIGNED_OUT_PROBLEM : error.message;
        this.timer = setTimeout(() => this.deliver(), RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
        this.onChange();
        return;
      }
      this.problem = null;
      this.failures = 0;
      this.forget(batch);
    }
  }

  /** The items that go into one request: decisions up to the next undo or repaired mask, or one of these. */
  nextBatch() {
    if (isAlone(this.items[0])) return [this.items[0]];
    const end = this.items.findIndex(isAlone);
    return this.items.slice(0, Math.min(end < 0 ? this.size : end, MAX_BATCH));
  }

  async send(batch) {
    if (batch[0].undo) {
      await request("api/undo", { decision_id: batch[0].undo, tab: batch[0].tab }, { keepalive: true }).catch((error) => {
        if (error.status !== 404) throw error; // 404: the server never stored that decision, so nothing is left to undo
      });
      return;
    }
    const body = { decisions: batch.map((item) => item.decision) };
    const receipt = await request("api/decisions", body, { keepalive: !batch[0].decision.mask }).catch((error) => {
      if (error.status !== 409 || !error.found.refused) throw error;
      return error.found; // 409: an id stood for another decision; the other decisions are stored
    });
    const sent = new Map(batch.map(({ decision }) => [decision.decision_id, decision]));
    for (const refusal of receipt.refused) this.onRefused(refusal, sent.get(refusal.decision_id));
  }

  forget(batch) {
    const keys = new Set(batch.map((item) => item.key));
    this.items = this.items.filter((item) => !keys.has(item.key));
    try {
      keys.forEach((key) => localStorage.removeItem(key));
    } catch {
      // no storage: nothing was kept there
    }
    this.onChange();
  }

  /** The page goes away: hand what waits to the browser, which sends it on its own. */
  leave() {
    if (this.size > 0) this.send(this.nextBatch()).catch(() => {}); // still in localStorage
  }
}

/** Whether an item goes out by itself: an undo, and a decision with a mask, which is more than browsers send when the page goes. */
function isAlone({ undo, decision }) {
  return Boolean(undo || decision.mask);
}

function storedItems(prefix) {
  try {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix)).sort();
    return keys.map((key) => ({ ...JSON.parse(localStorage.getItem(key)), key }));
  } catch {
    return [];
  }
}
