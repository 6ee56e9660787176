// A mask under repair: its values, what was drawn, and the way back.

import { PERSON_LEVEL, TINT } from "../picture/levels.js";

const DEPTH = 100; // changes that can be undone

export class Draft {
  /** `levels` of the mask as it came, one byte per pixel; `kept`, if given, are those of an earlier repair of it. */
  constructor(levels, { width, height }, kept = null) {
    [this.width, this.height] = [width, height];
    this.original = levels;
    this.levels = levels.slice();
    this.undone = [];
    this.changes = []; // {x, y, width, height, before, after}, of the part that changed
    this.shade = new OffscreenCanvas(width, height); // the tint, opaque on the background
    this.context = this.shade.getContext("2d");
    this.paint({ x: 0, y: 0, width, height });
    if (kept && kept.length === levels.length) this.apply(kept, this.levels);
  }

  get isChanged() {
    return this.levels.some((level, k) => level !== this.original[k]);
  }

  // Strokes ---------------------------------------------------------------------------------------------------

  /** Begin a stroke; it ends with `end`, and is one change. */
  begin() {
    this.before = this.levels.slice();
    this.touched = null;
  }

  /** Draw a line of that radius, in pixels, from one point to another: the person, or the background. */
  line(from, to, radius, isPerson) {
    const part = this.inside({
      x: Math.floor(Math.min(from.x, to.x) - radius), y: Math.floor(Math.min(from.y, to.y) - radius),
      right: Math.ceil(Math.max(from.x, to.x) + radius), bottom: Math.ceil(Math.max(from.y, to.y) + radius),
    });
    if (!part) return;
    const level = isPerson ? 255 : 0;
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const length = dx * dx + dy * dy;
    for (let y = part.y; y < part.y + part.height; y++) {
      for (let x = part.x; x < part.x + part.width; x++) {
        const [px, py] = [x + 0.5 - from.x, y + 0.5 - from.y];
        const along = length > 0 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
        if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= radius * radius) this.levels[y * this.width + x] = level;
      }
    }
    this.touched = union(this.touched, part);
    this.paint(part);
  }

  /** The stroke is one change, which is returned. */
  end() {
    if (this.touched) this.note(this.touched, this.before);
    this.before = this.touched = null;
    return this.changes.at(-1);
  }

  /** Take the stroke back that has begun. */
  cancel() {
    if (this.touched) this.put(this.touched, cut(this.before, this.touched, this.width));
    this.before = this.touched = null;
  }

  /**
   * Where `levels` differ from those `sent` to be refined, take them over; the rest may have changed meanwhile. With
   * the stroke that asked for it, if nothing came after that, it is one change.
   */
  apply(levels, sent, stroke = null) {
    const before = this.levels.slice();
    let [left, top, right, bottom] = [this.width, this.height, 0, 0];
    for (let y = 0, k = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++, k++) {
        if (levels[k] === sent[k]) continue;
        this.levels[k] = levels[k];
        [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x + 1), Math.min(top, y), y + 1];
      }
    }
    if (right === 0) return;
    let part = { x: left, y: top, width: right - left, height: bottom - top };
    this.paint(part);
    if (stroke && stroke === this.changes.at(-1)) {
      this.changes.pop();
      paste(before, stroke, stroke.before, this.width);
      part = union(part, stroke);
    }
    this.note(part, before);
  }

  // The way back ----------------------------------------------------------------------------------------------

  note(part, before) {
    this.changes.push({ ...part, before: cut(before, part, this.width), after: cut(this.levels, part, this.width) });
    this.changes = this.changes.slice(-DEPTH);
    this.undone = [];
  }

  undo() {
    return this.step(this.changes, this.undone, "before");
  }

  redo() {
    return this.step(this.undone, this.changes, "after");
  }

  step(from, to, side) {
    const change = from.pop();
    if (!change) return false;
    to.push(change);
    this.put(change, change[side]);
    return true;
  }

  put(part, levels) {
    paste(this.levels, part, levels, this.width);
    this.paint(part);
  }

  /** Bring the tint of a part up to date. */
  paint({ x, y, width, height }) {
    const tint = new ImageData(width, height);
    const pixels = new Uint32Array(tint.data.buffer);
    for (let row = 0, k = 0; row < height; row++) {
      const first = (y + row) * this.width + x;
      for (let column = 0; column < width; column++, k++) if (this.levels[first + column] < PERSON_LEVEL) pixels[k] = TINT;
    }
    this.context.putImageData(tint, x, y);
  }

  inside({ x, y, right, bottom }) {
    const [left, top] = [Math.max(0, x), Math.max(0, y)];
    const [width, height] = [Math.min(this.width, right) - left, Math.min(this.height, bottom) - top];
    return width > 0 && height > 0 ? { x: left, y: top, width, height } : null;
  }
}

/** Put the values of a part where they belong. */
function paste(levels, part, values, width) {
  for (let y = 0; y < part.height; y++) {
    levels.set(values.subarray(y * part.width, (y + 1) * part.width), (part.y + y) * width + part.x);
  }
}

function union(one, other) {
  if (!one) return other;
  const [x, y] = [Math.min(one.x, other.x), Math.min(one.y, other.y)];
  return {
    x, y,
    width: Math.max(one.x + one.width, other.x + other.width) - x,
    height: Math.max(one.y + one.height, other.y + other.height) - y,
  };
}

/** The values of a part, row by row. */
function cut(levels, part, width) {
  const values = new Uint8Array(part.width * part.height);
  for (let y = 0; y < part.height; y++) {
    const first = (part.y + y) * width + part.x;
    values.set(levels.subarray(first, first + part.width), y * part.width);
  }
  return values;
}
