// What waits: the samples that come next, loaded ahead, and what the server says about the rest.

import { prepare, unload } from "../picture/item.js";
import { request } from "../lib/request.js";

const RETRY_MS = 2000;
const LOOK_AGAIN_MS = 5000; // while all that waits is on other screens
const LOOK_FOR_NEWER_MS = 10_000; // while nothing waits: a run may add masks as a newer version
const LABELLING_LOOK_MS = 3000; // while nothing waits, and a run is at work
const LABELLING_SIGN_MS = 10_000; // while samples are here, and a run is at work, whose progress is shown
const BAD_FILTER = 422;
const SIGN_OF_LIFE_MS = 30_000; // while samples are here: the server takes a tab that is silent for longer as closed

export class Feed {
  /**
   * `outbox` knows what the server may not have heard of; `look()` is how samples will be shown, see frame.js;
   * `onAnswer()` after each answer, `onProblem()` after none.
   */
  constructor(tab, outbox, { look, onAnswer, onProblem }) {
    this.tab = tab;
    this.outbox = outbox;
    this.look = look;
    this.onAnswer = onAnswer;
    this.onProblem = onProblem;
    this.queue = "work";
    this.filter = new URLSearchParams(); // as in the page's address
    this.filtered = null; // {remaining, total} within the filter, as of the last answer
    this.embedding = null; // {done, total, failed} images, with an order that rests on them
    this.labelling = null; // {labelled, total, seconds_left} while more samples are made
    this.misfit = null; // why the server refused the filter
    this.ahead = 16; // samples asked for, DESIGN
    this.upcoming = []; // items, the first one is on screen
    this.progress = { done: 0, total: 0 };
    this.remaining = null; // as of the server's last answer; null when that no longer holds
    this.areElsewhere = false; // all that waits is on other screens
    this.manifest = null;
    this.asking = null; // while the server makes up its answer: the samples decided meanwhile
    this.problem = null; // why the last question what comes next failed
  }

  /** Take these items out: they have been decided. */
  remove(items) {
    this.upcoming = this.upcoming.filter((item) => !items.includes(item));
    this.remaining = null;
  }

  /** A decision on this sample is on its way. */
  noteDecided(sampleId) {
    this.asking?.add(sampleId);
  }

  /** Let these items come next, in this order. */
  putBack(items) {
    const ids = new Set(items.map((item) => item.sample.sample_id));
    this.upcoming = [...items.map((item) => prepare(item, this.look())), ...this.upcoming.filter((item) => !ids.has(item.sample.sample_id))];
    this.remaining = null;
    this.areElsewhere = false;
    for (const item of this.upcoming.slice(2 * this.ahead)) unload(item);
    this.upcoming = this.upcoming.slice(0, 2 * this.ahead); // the rest comes again
  }

  /** Forget what waits, for another queue, filter or version. */
  clear(queue = this.queue, filter = this.filter) {
    clearTimeout(this.timer);
    this.upcoming.forEach(unload);
    this.upcoming = [];
    this.queue = queue;
    this.filter = filter;
    this.filtered = this.embedding = this.misfit = this.problem = null;
    this.asked = (this.asked ?? 0) + 1; // an answer on its way is about something else
    this.asking = null;
    this.remaining = null;
    this.areElsewhere = false;
  }

  refillIfLow() {
    if (this.upcoming.length < 0.75 * this.ahead) this.refill();
  }

  /** Ask the server what comes next and append what isn't here yet; asking renews the leases. */
  async refill() {
    if (this.asking || this.misfit) return;
    clearTimeout(this.timer);
    const asked = (this.asked = (this.asked ?? 0) + 1);
    const settled = this.outbox.size === 0;
    this.asking = this.outbox.decided; // these it may not have heard of
    const count = Math.max(this.ahead, this.upcoming.length) + this.asking.size;
    let answer = null;
    try {
      const names = { n: Math.min(200, count), tab: this.tab, queue: this.queue };
      answer = await request(`api/next?${new URLSearchParams([...Object.entries(names), ...this.filter])}`);
    } catch (error) {
      if (asked !== this.asked) return;
      this.problem = error.message;
      if (error.status === BAD_FILTER) this.misfit = error.message; // asking again changes nothing
      else this.timer = setTimeout(() => this.refill(), RETRY_MS);
    }
    if (asked !== this.asked) return;
    if (answer) this.take(answer, settled);
    this.asking = null;
    if (answer) this.onAnswer();
    else this.onProblem();
  }

  take({ samples, remaining, progress, manifest, filtered = null, embedding = null, labelling = null }, settled) {
    const here = new Set([...this.asking, ...this.upcoming.map((item) => item.sample.sample_id)]);
    const fresh = samples.filter((sample) => !here.has(sample.sample_id)).slice(0, this.ahead);
    this.upcoming.push(...fresh.map((sample) => prepare({ sample }, this.look())));
    this.problem = null;
    this.remaining = remaining;
    this.areElsewhere = remaining > 0 && this.upcoming.length === 0 && this.asking.size === 0;
    this.manifest = manifest;
    this.filtered = filtered;
    this.embedding = embedding;
    this.labelling = labelling;
    if (settled && this.asking.size === 0) this.progress = progress; // else it lacks what was counted here
    if (this.areElsewhere || this.isComparing) this.timer = setTimeout(() => this.refill(), LOOK_AGAIN_MS);
    else if (samples.length > 0) this.timer = setTimeout(() => this.refill(), labelling ? LABELLING_SIGN_MS : SIGN_OF_LIFE_MS); // renews the leases
    else this.timer = setTimeout(() => this.refill(), labelling ? LABELLING_LOOK_MS : LOOK_FOR_NEWER_MS);
  }

  /** Whether the server still compares images: more may come. */
  get isComparing() {
    return this.embedding !== null && this.embedding.done + this.embedding.failed < this.embedding.total;
  }

  count(difference) {
    this.progress = { ...this.progress, done: this.progress.done + difference };
  }
}
