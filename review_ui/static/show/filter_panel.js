// The filter of the queue: a panel to choose it, and chips above the picture that show what is chosen.

import { request } from "../lib/request.js";

export const REPEATED = "*"; // as a group: all near-duplicate groups of more than one sample
const ORDERS = { "": "Most doubtful first", diversity: "Most different first" };
export class FilterPanel {
  /** `onChoose(filter)` with URLSearchParams when another filter is wanted. */
  constructor(root, { onChoose }) {
    this.dialog = root.querySelector("#filters");
    this.form = this.dialog.querySelector("form");
    this.parts = this.dialog.querySelector(".parts");
    this.chips = root.querySelector(".chips");
    this.button = root.querySelector("#filter");
    this.onChoose = onChoose;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.dialog.close();
      onChoose(this.chosen());
    });
    this.form.addEventListener("input", () => this.showValidity());
  }

  /** Open the panel with the values that samples wait with; `queue` is the one to filter. */
  async open(filter, queue) {
    this.parts.replaceChildren(text("p", "Loading what there is to choose from…"));
    this.dialog.querySelector(".main").disabled = true;
    this.dialog.showModal();
    try {
      const choices = await request("api/filters");
      this.parts.replaceChildren(...this.partsOf(choices, filter, queue));
      this.dialog.querySelector(".main").disabled = false;
      (this.parts.querySelector(":checked") ?? this.parts.querySelector("input"))?.focus();
    } catch (error) {
      this.parts.replaceChildren(text("p", error.message));
    }
  }

  partsOf({ sources, teachers, doubt, groups, reasons = [] }, filter, queue) {
    const isWork = queue === "work";
    return [
      isWork ? orderPart(filter) : null,
      checks("source", "Source", sources, filter),
      checks("teacher", "Teacher", teachers, filter),
      doubt.length ? doubtPart(doubt, filter) : null,
      groups ? groupPart(groups, filter) : null,
      isWork ? null : reasonPart(reasons, filter),
    ].filter(Boolean);
  }

  /** What the panel's fields stand for. */
  chosen() {
    const fields = new FormData(this.form);
    const names = ["source", "teacher"].flatMap((name) => fields.getAll(name).map((value) => [name, value]));
    const [low, high] = [fields.get("low") || "0", fields.get("high") || "1"];
    if (fields.has("low") && !(Number(low) === 0 && Number(high) === 1)) names.push(["doubt", `${low}-${high}`]);
    for (const name of ["group", "reason", "order"]) if (fields.get(name)) names.push([name, fields.get(name)]);
    return new URLSearchParams(names);
  }

  showValidity() {
    const [low, high] = ["low", "high"].map((name) => this.form.elements[name]);
    if (!low) return;
    const isRange = Number(low.value || 0) <= Number(high.value || 1);
    high.setCustomValidity(isRange ? "" : "Expected at least the lower limit");
  }

  /** `feed` knows the filter and what the server says of it. */
  showChips(feed) {
    const { filter, filtered, embedding } = feed;
    const entries = [...filter];
    this.button.ariaPressed = String(entries.length > 0);
    this.chips.hidden = entries.length === 0;
    const shown = JSON.stringify([entries, filtered, embedding]);
    if (this.shown === shown) return;
    this.shown = shown;
    const chips = entries.map((entry) => this.chip(entry, filter));
    const compared = embedding && embedding.done + embedding.failed < embedding.total ? `${embedding.done} of ${embedding.total} images compared` : "";
    const unopened = embedding?.failed ? `${embedding.failed} can't be opened` : "";
    const notes = [filtered ? `${filtered.remaining} of ${filtered.total} left` : "", compared, unopened].filter(Boolean);
    this.chips.replaceChildren(...chips, text("span", notes.join(" · "), "note"));
  }

  chip([name, value], filter) {
    const button = text("button", "✕");
    button.type = "button";
    button.ariaLabel = `Without ${inWords(name, value)}`;
    button.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays put
    button.addEventListener("click", () => this.onChoose(without(filter, name, value)));
    const chip = text("span", inWords(name, value), "chip");
    chip.title = value;
    chip.append(button);
    return chip;
  }
}

/** A filter's part in words. */
function inWords(name, value) {
  if (name === "like") return "looks like the first one";
  if (name === "group") return value === REPEATED ? "near-duplicates" : "one near-duplicate group";
  if (name === "order") return (ORDERS[value] ?? value).toLowerCase();
  if (name === "doubt") return `doubt ${value.replace("-", " to ")}`;
  return `${name}: ${name === "teacher" ? value.split("@")[0] : value}`;
}

/** A filter without one of its values; an order by likeness goes with its sample. */
function without(filter, name, value) {
  return new URLSearchParams([...filter].filter(([n, v]) => !(n === name && v === value) && !(name === "like" && n === "order")));
}

function orderPart(filter) {
  return fieldset("Order", Object.entries(ORDERS).map(([value, label]) => option("radio", "order", value, label, (filter.get("order") ?? "") === value)));
}

function checks(name, legend, values, filter) {
  if (values.length < 2 && !filter.has(name)) return null; // no choice
  const chosen = filter.getAll(name);
  const known = new Set(values.map((value) => value.name));
  const gone = chosen.filter((value) => !known.has(value)).map((value) => ({ name: value, waiting: 0 }));
  const options = [...values, ...gone].map(({ name: value, waiting }) => option("checkbox", name, value, value, chosen.includes(value), waiting));
  return fieldset(legend, options);
}

function doubtPart(quantiles, filter) {
  const [low, high] = (filter.get("doubt") ?? "0-1").split("-");
  const [least, , middle, , most] = quantiles;
  const part = fieldset("Doubt", [number("low", "from", low), number("high", "to", high)]);
  part.append(text("p", `${least} to ${most}, half of them below ${middle}`));
  return part;
}

function groupPart(groups, filter) {
  const label = `Only near-duplicates, group by group (${groups === 1 ? "1 group" : `${groups} groups`})`;
  return fieldset("Look-alikes", [option("checkbox", "group", REPEATED, label, filter.get("group") === REPEATED)]);
}

function reasonPart(reasons, filter) {
  const chosen = filter.get("reason") ?? "";
  if (reasons.length === 0 && !chosen) return null;
  const options = reasons.map(({ name, waiting }) => option("radio", "reason", name, name, chosen === name, waiting));
  return fieldset("Reason", [option("radio", "reason", "", "any", !chosen), ...options]);
}

function fieldset(legend, options) {
  const part = document.createElement("fieldset");
  part.append(text("legend", legend), ...options);
  return part;
}

function option(type, name, value, label, isChosen, waiting = null) {
  const input = Object.assign(document.createElement("input"), { type, name, value, checked: isChosen });
  const around = document.createElement("label");
  around.append(input, text("span", label));
  if (waiting !== null) around.append(text("span", String(waiting), "count"));
  return around;
}

function number(name, label, value) {
  const input = Object.assign(document.createElement("input"), { type: "number", name, value, min: 0, max: 1, step: "any", inputMode: "decimal" });
  const around = document.createElement("label");
  around.append(text("span", label), input);
  return around;
}

function text(element, content, className = "") {
  return Object.assign(document.createElement(element), { textContent: content, className });
}
