// The edge of a mask as a path: marching squares at the level between 127 and 128, linear between pixel centres.

const LEVEL = 127.5; // DESIGN: a value of 128 or more is person

// Corners of a cell, clockwise from the top left, have the bits 1, 2, 4, 8; edges are 0 top, 1 right, 2 bottom, 3 left.
const EDGES = [
  [], [3, 0], [0, 1], [3, 1], [1, 2], [3, 0, 1, 2], [0, 2], [3, 2],
  [2, 3], [2, 0], [0, 1, 2, 3], [2, 1], [1, 3], [1, 0], [0, 3], [],
];

/** Uint8 levels (height x width, row by row) -> Path2D in pixels of the mask; no line along the picture's border. */
export function contour(levels, width, height) {
  const path = new Path2D();
  const inside = (i) => (levels[i] > LEVEL ? 1 : 0);
  for (let y = 0; y < height - 1; y++) {
    for (let x = 0; x < width - 1; x++) {
      const i = y * width + x;
      const index = inside(i) | (inside(i + 1) << 1) | (inside(i + width + 1) << 2) | (inside(i + width) << 3);
      if (index === 0 || index === 15) continue; // nearly all cells
      const corners = [levels[i], levels[i + 1], levels[i + width + 1], levels[i + width]];
      const edges = EDGES[index];
      for (let k = 0; k < edges.length; k += 2) {
        path.moveTo(...crossing(edges[k], corners, x, y));
        path.lineTo(...crossing(edges[k + 1], corners, x, y));
      }
    }
  }
  return path;
}

/** Where the level crosses one edge of the cell whose top left corner is the centre of pixel (x, y). */
function crossing(edge, [topLeft, topRight, bottomRight, bottomLeft], x, y) {
  const [left, top, right, bottom] = [x + 0.5, y + 0.5, x + 1.5, y + 1.5];
  const between = (from, to) => (LEVEL - from) / (to - from);
  switch (edge) {
    case 0: return [left + between(topLeft, topRight), top];
    case 1: return [right, top + between(topRight, bottomRight)];
    case 2: return [left + between(bottomLeft, bottomRight), bottom];
    default: return [left, top + between(topLeft, bottomLeft)];
  }
}
