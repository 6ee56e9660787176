// A mask's edge as a way to walk along: all its lines one behind the other, by distance.

const SHORTEST_FRACTION = 0.05; // of the longest line; shorter ones are specks, not worth a walk

export class Edge {
  /** `lines` as contour() gives them, the longest first. */
  constructor(lines) {
    const kept = lines.filter((line) => line.length >= SHORTEST_FRACTION * lines[0].length);
    this.points = [];
    this.distances = []; // of each point from the beginning
    let distance = 0;
    for (const line of kept) {
      for (let k = 0; k < line.length; k += 2) {
        if (k > 0) distance += Math.hypot(line[k] - line[k - 2], line[k + 1] - line[k - 1]);
        this.points.push([line[k], line[k + 1]]);
        this.distances.push(distance);
      }
    }
    this.length = distance;
  }

  /** The point [x, y] that far along; after the end comes the beginning. */
  at(distance) {
    const wanted = this.length > 0 ? ((distance % this.length) + this.length) % this.length : 0;
    let [low, high] = [0, this.points.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.distances[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return this.points[low];
  }

  /** How far along the point nearest to (x, y) is. */
  nearest(x, y) {
    let [best, nearest] = [0, Infinity];
    this.points.forEach(([pointX, pointY], k) => {
      const away = (pointX - x) ** 2 + (pointY - y) ** 2;
      if (away < nearest) [best, nearest] = [k, away];
    });
    return this.distances[best] ?? 0;
  }
}
