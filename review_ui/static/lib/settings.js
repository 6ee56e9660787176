// What a reviewer chose for this browser: kept in localStorage, the same for all queues.

const KEY = "review-settings";
const DEFAULTS = { view: "side", opacity: 0.65, differ: false, inset: false, grid: false, ask: false, shortcuts: true, keys: {} };

/** An object that holds the choices; `keep()` after a change. */
export class Settings {
  constructor() {
    let kept = {};
    try {
      kept = JSON.parse(localStorage.getItem(KEY)) ?? {};
    } catch {
      // no storage, or not ours: the defaults
    }
    for (const [name, value] of Object.entries(DEFAULTS)) this[name] = typeof kept[name] === typeof value ? kept[name] : value;
  }

  keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify({ ...this }));
    } catch {
      // no storage, or full: the choice holds until the page goes
    }
  }
}
