// The keyboard: which key asks for what. Single characters can be changed (key_map.js) and switched off (WCAG 2.1.4); arrows,
// Enter and Escape stay.

import { keyOf } from "./lib/key_map.js";

const NAVIGATION = {
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Enter: "confirm", Escape: "back",
};
const REPEATING = new Set(["left", "right", "up", "down", "fainter", "stronger", "smaller", "larger"]); // held down, these go on

/**
 * Calls `act(action, event)` when a key asks for something; an action is one of NAVIGATION or of `keyMap`, "reason1"
 * to "reason9", or with shift "more1" to "more9". `act` returns false when it had no use for it: the key then does what it does elsewhere.
 * `release()` is called when the key of "hide" goes up, or the window loses the focus. While `isRepairing()`, letters mean
 * tools; unless `isShown()`, all keys are the rest of the page's.
 */
export function listenForKeys(settings, keyMap, { act, release, isRepairing, isShown }) {
  document.addEventListener("keydown", (event) => {
    if (!isShown()) return;
    const action = (isRepairing() && strokeAction(event)) || actionOf(event, settings, (key) => keyMap.actionOf(key, isRepairing()));
    if (!action) return;
    if (event.repeat && !REPEATING.has(action)) event.preventDefault(); // a key held down decides once
    else if (act(action, event) !== false) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => keyOf(event) === keyMap.keys.hide && release());
  window.addEventListener("blur", release);
}

/** What everybody presses to take a stroke back, or to have it again. */
function strokeAction({ key, ctrlKey, metaKey, shiftKey, altKey }) {
  if (!(ctrlKey || metaKey) || altKey) return null;
  const letter = key.toLowerCase();
  if (letter === "z") return shiftKey ? "redo" : "undo";
  return letter === "y" ? "redo" : null;
}

function actionOf(event, settings, shortcut) {
  const isAltGr = event.getModifierState("AltGraph"); // [ and ] on many keyboards
  if (((event.ctrlKey || event.altKey) && !isAltGr) || event.metaKey || event.isComposing || isTyping(focusOf(event))) return null;
  if (pressesItself(event)) return null;
  if (event.key in NAVIGATION) return NAVIGATION[event.key];
  if (!settings.shortcuts) return null;
  return shortcut(keyOf(event)) ?? reasonAction(event);
}

/** Digits are reasons; with shift, under which each keyboard has other characters, one of several. */
function reasonAction({ key, code, shiftKey }) {
  const digit = /^Digit([1-9])$/.exec(code)?.[1];
  if (shiftKey && digit) return `more${digit}`;
  return /^[1-9]$/.test(key) ? `reason${key}` : null;
}

/** Whether the key presses the control that has the focus; in a cell of the grid, Enter confirms the page instead. */
function pressesItself(event) {
  const { key, repeat } = event;
  const focus = focusOf(event);
  if (repeat || !focus.matches?.("button, a, summary, input")) return false;
  return key === " " || (key === "Enter" && !focus.matches(".grid button, input"));
}

/** What has the focus, also within the element's shadow root. */
function focusOf(event) {
  return event.composedPath()[0];
}

function isTyping(target) {
  return target.isContentEditable || Boolean(target.matches?.("input:not([type=checkbox], [type=radio]), textarea, select"));
}
