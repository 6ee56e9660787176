// How long a reviewer looked: the time since the picture was painted, without idle time.

const IDLE_SECONDS = 15; // a longer pause between two inputs counts as this much

/** All times in milliseconds of one clock, handed in. */
export class LookingTime {
  constructor() {
    this.stop();
  }

  /** A picture has been painted. */
  start(now) {
    this.spent = 0;
    this.since = now; // the last input, or null while the page is out of sight
  }

  stop() {
    this.spent = 0;
    this.since = null;
  }

  /** A key or a move of the pointer. */
  input(now) {
    if (this.since === null || now < this.since) return;
    this.spent += this.pause(now);
    this.since = now;
  }

  /** The page is out of sight. */
  hide(now) {
    this.input(now);
    this.hidden = this.since !== null;
    this.since = null;
  }

  unhide(now) {
    if (this.hidden) this.since = now;
    this.hidden = false;
  }

  /** Whole milliseconds until now. */
  read(now) {
    return Math.max(0, Math.round(this.spent + (this.since === null ? 0 : this.pause(now))));
  }

  pause(now) {
    return Math.min(Math.max(0, now - this.since), 1000 * IDLE_SECONDS);
  }
}
