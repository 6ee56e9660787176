// The zoom: a window on the picture. Keys let it travel along the mask's edge, wheel and double click zoom where the
// pointer is, and the pointer drags it anywhere.

const ZOOM = 3; // of the key z, times the size at which the whole picture fits
const MAX_SCALE = 8; // CSS pixels per pixel, or ZOOM where that is more
const STEP_FRACTION = 0.25; // of the window's shorter side: what one arrow key travels

export class Zoom {
  /** On a picture that fits at `fitScale` (CSS pixels per pixel): at the place to look at first, if there is one. */
  constructor(picture, fitScale) {
    this.picture = picture;
    this.fitScale = fitScale;
    this.scale = ZOOM * fitScale;
    const { place, edge } = picture;
    this.distance = place ? edge.nearest(place.x, place.y) : 0;
    [this.x, this.y] = edge.at(this.distance) ?? [picture.width / 2, picture.height / 2];
  }

  /** The whole picture in a window, to zoom in from there. */
  static whole(picture, fitScale) {
    const zoom = new Zoom(picture, fitScale);
    return Object.assign(zoom, { scale: fitScale, x: picture.width / 2, y: picture.height / 2, dragged: true });
  }

  /** The same place on the same sample with other pixels. */
  replace(picture) {
    const ratio = picture.width / this.picture.width;
    this.picture = picture;
    for (const length of ["x", "y", "distance"]) this[length] *= ratio;
    for (const scale of ["scale", "fitScale"]) this[scale] /= ratio;
  }

  /** Whether the whole picture is seen again. */
  get isWhole() {
    return this.scale <= 1.001 * this.fitScale;
  }

  /** By `factor`, so that the picture stays under the pointer, at `point` (CSS pixels) of a window of that size. */
  by(factor, point, windowSize) {
    const before = this.part(windowSize);
    const [x, y] = [before.x + point.x / this.scale, before.y + point.y / this.scale];
    this.scale = clamp(this.scale * factor, this.fitScale, Math.max(MAX_SCALE, ZOOM * this.fitScale));
    this.x = x + (windowSize.width / 2 - point.x) / this.scale;
    this.y = y + (windowSize.height / 2 - point.y) / this.scale;
    this.dragged = true;
  }

  /** Along the edge by so many steps of a window of that size (CSS pixels), forwards or, when negative, backwards. */
  step(count, { width, height }) {
    const { edge } = this.picture;
    if (edge.length === 0) return;
    if (this.dragged) this.distance = edge.nearest(this.x, this.y);
    this.dragged = false;
    this.distance += (count * STEP_FRACTION * Math.min(width, height)) / this.scale;
    [this.x, this.y] = edge.at(this.distance);
  }

  /** The picture follows the pointer by (dx, dy) CSS pixels; near the border the window may be beside its aim. */
  drag(dx, dy, windowSize) {
    const part = this.part(windowSize);
    this.dragged = true;
    this.x = part.x + part.width / 2 - dx / this.scale;
    this.y = part.y + part.height / 2 - dy / this.scale;
  }

  /** The part of the picture, in its pixels, that a window of that size (CSS pixels) shows: it stays on the picture. */
  part({ width, height }) {
    const [partWidth, partHeight] = [width / this.scale, height / this.scale];
    return {
      x: inside(this.x, partWidth, this.picture.width),
      y: inside(this.y, partHeight, this.picture.height),
      width: partWidth,
      height: partHeight,
    };
  }

  /** Draw one pane of a view as the window shows it. */
  draw(context, pane, opacity, { width, height }, ground) {
    const ratio = window.devicePixelRatio || 1;
    const part = this.part({ width, height });
    context.fillStyle = ground;
    context.fillRect(0, 0, width * ratio, height * ratio);
    context.imageSmoothingQuality = "high";
    context.scale(this.scale * ratio, this.scale * ratio);
    context.translate(-part.x, -part.y);
    pane(context, this.picture, { opacity, scale: this.scale });
  }
}

/** Where a window of that length begins so that `centre` is in the middle, or as near to it as the whole allows. */
function inside(centre, length, whole) {
  return length >= whole ? (whole - length) / 2 : clamp(centre - length / 2, 0, whole - length);
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
