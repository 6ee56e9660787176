// What a mask's shape says at a glance: how many pieces, how many holes.

import { PERSON_LEVEL } from "./levels.js";

const LONGEST_PX = 512; // side of the mask looked at: enough for what is no speck
const SPECK_FRACTION = 2e-4; // of the picture; smaller regions are invisible. As in manifests/samples/sample.py

/** {pieces, holes} of a mask, without specks. */
export function shapeOf(levels, width, height) {
  const step = Math.max(1, Math.ceil(Math.max(width, height) / LONGEST_PX));
  const [columns, rows] = [Math.ceil(width / step), Math.ceil(height / step)];
  const person = new Uint8Array(columns * rows);
  for (let y = 0, k = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, k++) person[k] = levels[y * step * width + x * step] >= PERSON_LEVEL ? 1 : 0;
  }
  const regions = regionsOf(person, columns, rows).filter(({ size }) => size >= SPECK_FRACTION * columns * rows);
  return {
    pieces: regions.filter(({ isPerson }) => isPerson).length,
    holes: regions.filter(({ isPerson, touchesBorder }) => !isPerson && !touchesBorder).length,
  };
}

/** Connected regions: of the person by 8 neighbours, of the background by 4. */
function regionsOf(person, columns, rows) {
  const seen = new Uint8Array(person.length);
  const stack = new Int32Array(person.length);
  const regions = [];
  for (let start = 0; start < person.length; start++) {
    if (seen[start]) continue;
    const isPerson = person[start] === 1;
    const region = { isPerson, size: 0, touchesBorder: false };
    let depth = 0;
    stack[depth++] = start;
    seen[start] = 1;
    while (depth > 0) {
      const place = stack[--depth];
      const [x, y] = [place % columns, Math.floor(place / columns)];
      region.size++;
      if (x === 0 || y === 0 || x === columns - 1 || y === rows - 1) region.touchesBorder = true;
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          if ((!isPerson && dx !== 0 && dy !== 0) || x + dx < 0 || x + dx >= columns || y + dy < 0 || y + dy >= rows) continue;
          const next = place + dy * columns + dx;
          if (seen[next] || person[next] !== person[place]) continue;
          seen[next] = 1;
          stack[depth++] = next;
        }
      }
    }
    regions.push(region);
  }
  return regions;
}
