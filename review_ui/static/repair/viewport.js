// Which part of a picture a window shows: zoom and pan.

const MARGIN = 0.94; // of the window that the whole picture fills
const MAX_SCALE = 40; // CSS pixels per pixel

export class Viewport {
  /** A picture of that size, whole, in a window of `box` (CSS pixels). */
  constructor({ width, height }, box) {
    Object.assign(this, { width, height });
    this.resize(box);
    this.fit();
  }

  resize(box) {
    this.box = box;
    this.least = MARGIN * Math.min(box.width / this.width, box.height / this.height);
    if (this.scale < this.least) this.fit();
  }

  fit() {
    this.scale = this.least;
    this.x = (this.box.width - this.width * this.scale) / 2; // of the picture's corner in the window
    this.y = (this.box.height - this.height * this.scale) / 2;
  }

  /** Zoom by `factor` so that the picture stays where the pointer is. */
  zoomAt(point, factor) {
    const scale = Math.min(MAX_SCALE, Math.max(this.least, this.scale * factor));
    this.x = point.x - ((point.x - this.x) * scale) / this.scale;
    this.y = point.y - ((point.y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.keepInside();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.keepInside();
  }

  /** Some of the picture always stays in the window's middle. */
  keepInside() {
    this.x = Math.min(this.box.width / 2, Math.max(this.box.width / 2 - this.width * this.scale, this.x));
    this.y = Math.min(this.box.height / 2, Math.max(this.box.height / 2 - this.height * this.scale, this.y));
  }

  /** A place in the window (CSS pixels) as a place in the picture (its pixels). */
  toPicture({ x, y }) {
    return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale };
  }
}
