// The edge of a mask as lines: marching squares at the level between 127 and 128, linear between pixel centres.

const LEVEL = 127.5; // DESIGN: a value of 128 or more is person

// Corners of a cell, clockwise from the top left, have the bits 1, 2, 4, 8; edges are 0 top, 1 right, 2 bottom, 3 left.
// Each pair is a piece of the edge, from -> to, with the person on its left: so pieces join head to tail.
const PIECES = [
  [], [3, 0], [0, 1], [3, 1], [1, 2], [3, 0, 1, 2], [0, 2], [3, 2],
  [2, 3], [2, 0], [0, 1, 2, 3], [2, 1], [1, 3], [1, 0], [0, 3], [],
];

/**
 * Uint8 levels (height x width, row by row) -> lines [x0, y0, x1, y1, ...] in pixels of the mask, the longest first.
 * A closed line ends where it began. There is no line along the picture's border.
 */
export function contour(levels, width, height) {
  const following = pieces(levels, width, height);
  const open = new Set(following.keys());
  for (const to of following.values()) open.delete(to);
  const lines = [];
  for (const start of open) lines.push(follow(start, following));
  while (following.size > 0) lines.push(follow(following.keys().next().value, following));
  return lines.sort((a, b) => b.length - a.length).map((line) => places(line, levels, width));
}

/** Where each piece of the edge leads: the number of the crossing it starts at -> that of the one it ends at. */
function pieces(levels, width, height) {
  const following = new Map();
  for (let y = 0; y < height - 1; y++) {
    let left = Number(levels[y * width] > LEVEL) | (Number(levels[(y + 1) * width] > LEVEL) << 3);
    for (let x = 0; x < width - 1; x++) {
      const i = y * width + x;
      const right = Number(levels[i + 1] > LEVEL) | (Number(levels[i + width + 1] > LEVEL) << 1);
      const index = left | (right << 1);
      left = (right & 1) | ((right & 2) << 2);
      if (index === 0 || index === 15) continue; // nearly all cells
      // a crossing's number: twice the pixel above or left of it, one more for a vertical neighbour
      const crossings = [2 * i, 2 * (i + 1) + 1, 2 * (i + width), 2 * i + 1];
      const edges = PIECES[index];
      for (let k = 0; k < edges.length; k += 2) following.set(crossings[edges[k]], crossings[edges[k + 1]]);
    }
  }
  return following;
}

function follow(start, following) {
  const line = [start];
  for (let from = start; following.has(from); ) {
    const to = following.get(from);
    following.delete(from);
    line.push(to);
    from = to;
  }
  return line;
}

function places(line, levels, width) {
  const points = new Float32Array(2 * line.length);
  line.forEach((crossing, k) => {
    const i = crossing >> 1;
    const isVertical = crossing & 1;
    const between = (LEVEL - levels[i]) / (levels[isVertical ? i + width : i + 1] - levels[i]);
    points[2 * k] = (i % width) + 0.5 + (isVertical ? 0 : between);
    points[2 * k + 1] = Math.floor(i / width) + 0.5 + (isVertical ? between : 0);
  });
  return points;
}
