// The keys as the page shows them: on buttons and in the help dialog, where the reviewer can change them.

import { canChange, keyOf, nameOf, signOf } from "../lib/key_map.js";

const MODIFIERS = new Set(["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock"]);

export class KeyDialog {
  constructor(root, keyMap) {
    this.root = root;
    this.keyMap = keyMap;
    this.dialog = root.querySelector("#keys");
    this.message = this.dialog.querySelector(".key-message");
    this.waiting = null; // the action whose key is asked for
    this.isChanging = false;
    this.dialog.addEventListener("keydown", (event) => this.waiting && this.take(event), { capture: true });
    this.dialog.addEventListener("close", () => this.change(false));
    this.show();
  }

  /** Turn the keys of the dialog into buttons, or back. */
  change(isChanging = !this.isChanging) {
    this.isChanging = isChanging;
    this.waiting = null;
    this.show(isChanging ? "Press the key that is to be changed." : "");
  }

  reset() {
    this.keyMap.reset();
    this.waiting = null;
    this.show("All keys are the defaults.");
  }

  /** Wait for the new key of an action. */
  ask(action) {
    this.waiting = action;
    this.show(`“${nameOf(action)}”: press a key; escape keeps ${signOf(this.keyMap.keys[action])}.`);
  }

  /** Take a key as that of the action that waits for one. */
  take(event) {
    if ((event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState("AltGraph")) return; // the browser's own
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat || MODIFIERS.has(event.key)) return;
    const action = this.waiting;
    const key = keyOf(event);
    const problem = key === "Escape" ? null : this.keyMap.change(action, key);
    if (problem) return this.show(`${problem}.`);
    this.waiting = null;
    this.show(`“${nameOf(action)}” has the key ${signOf(this.keyMap.keys[action])}.`);
  }

  show(message = "") {
    this.message.textContent = message;
    for (const place of this.root.querySelectorAll("kbd[data-key]")) this.showKey(place);
    this.dialog.classList.toggle("changing", this.isChanging);
    this.dialog.querySelector("[data-action=change-keys]").ariaPressed = String(this.isChanging);
    this.dialog.querySelector("[data-action=default-keys]").hidden = !this.isChanging;
  }

  showKey(place) {
    const action = place.dataset.key;
    const sign = signOf(this.keyMap.keys[action]);
    if (!this.isChanging || !this.dialog.contains(place) || !canChange(action)) return place.replaceChildren(sign);
    const button = place.querySelector("button") ?? this.keyButton(place, action);
    button.textContent = this.waiting === action ? "…" : sign;
    button.ariaLabel = `${nameOf(action)}: ${sign}, change`;
  }

  keyButton(place, action) {
    const button = document.createElement("button");
    button.type = "button";
    button.addEventListener("click", () => this.ask(action));
    place.replaceChildren(button);
    return button;
  }
}
