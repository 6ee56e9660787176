// The zoom: a window on the picture that travels along the mask's edge, and that the pointer can drag anywhere.

const ZOOM = 3; // times the size at which the whole picture fits
const STEP_FRACTION = 0.25; // of the window's shorter side: what one arrow key travels

export class Zoom {
  constructor(picture, fitScale) {
    this.picture = picture;
    this.scale = ZOOM * fitScale; // CSS pixels per pixel
    this.distance = this.startingPlace();
    [this.x, this.y] = picture.edge.at(this.distance) ?? [picture.width / 2, picture.height / 2];
  }

  /** At the place to look at first, if there is one. */
  startingPlace() {
    const { place, edge } = this.picture;
    return place ? edge.nearest(place.x, place.y) : 0;
  }

  /** Along the edge by `distancePx` on screen, forwards or, when negative, backwards. */
  travel(distancePx) {
    if (this.picture.edge.length === 0) return;
    if (this.dragged) this.distance = this.picture.edge.nearest(this.x, this.y);
    this.dragged = false;
    this.distance += distancePx / this.scale;
    [this.x, this.y] = this.picture.edge.at(this.distance);
  }

  /** Along the edge by so many steps of a window of that size (CSS pixels). */
  step(count, { width, height }) {
    this.travel(count * STEP_FRACTION * Math.min(width, height));
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
