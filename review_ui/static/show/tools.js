// The tools beside the picture: view, opacity, and what helps to look closer. They change how a mask is seen, never a verdict.

import { VIEWS, neighbour } from "../picture/views.js";

const OPACITY_STEP = 0.1;

export class Tools {
  /** `onChange()` when the screen must be redrawn. */
  constructor(root, settings, onChange) {
    this.root = root;
    this.settings = settings;
    this.onChange = onChange;
    this.views = Object.entries(VIEWS).map(([name, { label }]) => viewButton(name, label));
    root.querySelector(".views").append(...this.views);
    this.show({});
  }

  choose(view) {
    this.settings.view = view;
    this.changed();
    return VIEWS[view].label;
  }

  /** The next view, or with -1 the one before; its label. */
  turn(step) {
    return this.choose(neighbour(this.settings.view in VIEWS ? this.settings.view : "side", step));
  }

  /** A stronger tint, or with -1 a fainter one; the new opacity in per cent. */
  fade(step) {
    const wanted = Math.round((this.settings.opacity + step * OPACITY_STEP) * 100) / 100;
    this.settings.opacity = Math.min(1, Math.max(0.05, wanted));
    this.changed();
    return Math.round(this.settings.opacity * 100);
  }

  toggle(name) {
    this.settings[name] = !this.settings[name];
    this.changed();
    return this.settings[name];
  }

  changed() {
    this.settings.keep();
    this.show(this.state);
    this.onChange();
  }

  /** `isGrid`, `isZoomed`, `canGrid`: what the buttons depend on beside the settings. */
  show(state) {
    this.state = state;
    const { isGrid = false, isZoomed = false, canGrid = true } = state;
    const find = (selector) => this.root.querySelector(selector);
    for (const button of this.views) button.ariaPressed = String(button.dataset.view === this.settings.view);
    find("#opacity").textContent = `${Math.round(this.settings.opacity * 100)} %`;
    Object.assign(find("#zoom"), { ariaPressed: String(isZoomed), disabled: isGrid });
    find("#differ").ariaPressed = String(this.settings.differ);
    Object.assign(find("#inset"), { ariaPressed: String(this.settings.inset), disabled: isGrid });
    find("#whole-image").disabled = isGrid;
    Object.assign(find("#grid"), { ariaPressed: String(isGrid), disabled: !canGrid });
    for (const name of ["shortcuts", "ask"]) find(`#${name}`).checked = this.settings[name];
    this.root.classList.toggle("no-shortcuts", !this.settings.shortcuts);
  }
}

function viewButton(name, label) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.view = name;
  button.textContent = label;
  return button;
}
