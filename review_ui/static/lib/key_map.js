// Which key asks for which action in this browser: the defaults, and the keys that the reviewer chose instead.

const EVERYWHERE = { accept: "a", undo: "Backspace", hide: "h", help: "?" };
const ON_STAGE = {
  second: "b", differ: "c", reject: "x", repair: "e", skip: " ", flag: "f", note: "n",
  view: "v", fainter: "[", stronger: "]", zoom: "z", inset: "i", whole: "o", grid: "g", alike: "l", filter: "/",
};
const IN_REPAIR = {
  brush: "b", eraser: "e", smart: "s", point: "p", smaller: "[", larger: "]", largest: "l", fill: "o", smooth: "m", redo: "y", fit: "0",
};
const DEFAULTS = { ...EVERYWHERE, ...ON_STAGE, ...IN_REPAIR };
const SECOND_KEYS = { u: "undo" }; // in repair, unless the key has another action
const FIXED = new Set(["help"]); // the way to the list of keys

const NAMES = { // of the actions whose name doesn't say enough
  second: "accept B", differ: "difference", fainter: "fainter tint", stronger: "stronger tint", whole: "whole image",
  alike: "look-alikes", smaller: "smaller brush", larger: "larger brush", largest: "largest piece", fill: "fill holes",
  smooth: "smooth edge", redo: "stroke again", fit: "fit to the window", hide: "hide mask",
};
const SIGNS = { " ": "space", Backspace: "⌫", Delete: "del" };

export class KeyMap {
  /** `settings.keys` holds {action: key} of the keys that were changed; keys that can't be used are ignored. */
  constructor(settings) {
    this.settings = settings;
    if (!isUsable(settings.keys)) settings.keys = {};
    this.invert();
  }

  invert() {
    this.keys = { ...DEFAULTS, ...this.settings.keys };
    const inverted = (actions) => Object.fromEntries(actions.map((action) => [this.keys[action], action]));
    this.onStage = inverted(actionsOf(ON_STAGE));
    this.inRepair = { ...SECOND_KEYS, ...inverted(actionsOf(IN_REPAIR)) };
  }

  /** The action that a key, as keyOf() gives it, asks for; undefined without one. */
  actionOf(key, isRepairing) {
    return (isRepairing ? this.inRepair : this.onStage)[key];
  }

  /** Give an action another key; what stands against it in one line, or null. */
  change(action, key) {
    if (!isPossible(key)) return `${signOf(key)} can't be a shortcut; press a letter, a sign, space, backspace or delete`;
    const other = clash({ ...this.keys, [action]: key }, action);
    if (other) return `${signOf(key)} is the key of “${nameOf(other)}”; press another, or change that one first`;
    this.keep({ ...this.settings.keys, [action]: key });
    return null;
  }

  reset() {
    this.keep({});
  }

  keep(keys) {
    this.settings.keys = Object.fromEntries(Object.entries(keys).filter(([action, key]) => key !== DEFAULTS[action]));
    this.settings.keep();
    this.invert();
  }
}

/** The key of an event, the same with shift and without. */
export function keyOf({ key }) {
  return key.length === 1 ? key.toLowerCase() : key;
}

export function nameOf(action) {
  return NAMES[action] ?? action;
}

/** How a key is written on the page. */
export function signOf(key) {
  return SIGNS[key] ?? key;
}

export function canChange(action) {
  return !FIXED.has(action);
}

/** Digits are reasons; arrows, Enter, Escape, Tab and what only modifies belong to the browser or are the same for everyone. */
function isPossible(key) {
  return typeof key === "string" && (Object.hasOwn(SIGNS, key) || (key.length === 1 && !/[1-9\s]/.test(key) && key === key.toLowerCase()));
}

function actionsOf(mode) {
  return [...Object.keys(EVERYWHERE), ...Object.keys(mode)];
}

/** Another action that has the key of `action` in a mode they share; undefined without one. */
function clash(keys, action) {
  const others = [ON_STAGE, IN_REPAIR].map(actionsOf).filter((actions) => actions.includes(action)).flat();
  return others.find((other) => other !== action && keys[other] === keys[action]);
}

function isUsable(changed) {
  const entries = Object.entries(changed ?? {});
  const keys = { ...DEFAULTS, ...changed };
  return entries.every(([action, key]) => Object.hasOwn(DEFAULTS, action) && canChange(action) && isPossible(key) && !clash(keys, action));
}
