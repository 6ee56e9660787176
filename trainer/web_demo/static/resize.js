// Between an image's pixels and the network's, with the sums of trainer.data.preprocessing and trainer.inference.predictors, so that
// the mask equals Python's: averages over areas where both sides shrink, else linear; no aspect is kept.

/** RGBA (H, W, 4) -> RGB planes (3, toHeight, toWidth), both 0..255. */
export function shrinkToNetwork(rgba, width, height, toWidth, toHeight) {
  const weights = width >= toWidth && height >= toHeight ? areaWeights : linearWeights;
  const columns = weights(width, toWidth);
  const sums = new Float32Array(3 * toWidth * toHeight);
  const plane = toWidth * toHeight;
  const line = new Float32Array(3 * toWidth);
  const rows = byInput(weights(height, toHeight), height);
  for (let y = 0; y < height; y++) {
    if (!rows[y].length) continue;
    resizeLine(rgba, 4 * y * width, columns, line);
    for (const [row, share] of rows[y]) {
      for (let x = 0, at = row * toWidth; x < toWidth; x++, at++) {
        sums[at] += share * line[3 * x];
        sums[at + plane] += share * line[3 * x + 1];
        sums[at + 2 * plane] += share * line[3 * x + 2];
      }
    }
  }
  return new Uint8Array(new Uint8ClampedArray(sums).buffer); // clamped arrays round, others cut off
}

/** Probabilities (h, w) -> levels 0..255 (height, width), bilinear. */
export function enlargeProb(prob, w, h, width, height) {
  const columns = linearWeights(w, width);
  const rows = linearWeights(h, height);
  const levels = new Uint8ClampedArray(width * height);
  const line = new Float32Array(w);
  for (let y = 0, at = 0; y < height; y++) {
    const [top, bottom] = [rows.first[y] * w, (rows.first[y] + rows.count[y] - 1) * w];
    const [upper, lower] = [rows.shares[2 * y], rows.shares[2 * y + 1]];
    for (let x = 0; x < w; x++) line[x] = upper * prob[top + x] + lower * prob[bottom + x];
    for (let x = 0; x < width; x++, at++) {
      const left = columns.first[x];
      const right = left + columns.count[x] - 1;
      levels[at] = 255 * (columns.shares[2 * x] * line[left] + columns.shares[2 * x + 1] * line[right]);
    }
  }
  return levels;
}

/** One row of RGBA from `start` -> RGB of the columns' number. */
function resizeLine(rgba, start, { first, count, stride, shares }, line) {
  for (let x = 0; x < first.length; x++) {
    let red = 0, green = 0, blue = 0;
    for (let k = 0, at = start + 4 * first[x]; k < count[x]; k++, at += 4) {
      const share = shares[x * stride + k];
      red += share * rgba[at];
      green += share * rgba[at + 1];
      blue += share * rgba[at + 2];
    }
    line[3 * x] = red;
    line[3 * x + 1] = green;
    line[3 * x + 2] = blue;
  }
}

/** What each of `to` places takes: `count` inputs from `first` on, with `shares` that add up to 1. */
function areaWeights(from, to) {
  const scale = from / to;
  const stride = Math.ceil(scale) + 1;
  const weights = emptyWeights(to, stride);
  for (let place = 0; place < to; place++) {
    const [start, end] = [place * scale, Math.min(from, (place + 1) * scale)];
    weights.first[place] = Math.floor(start);
    for (let input = Math.floor(start); input < end - 1e-6; input++) { // not a sliver that is a rounding error
      const covered = Math.min(input + 1, end) - Math.max(input, start);
      weights.shares[place * stride + weights.count[place]++] = covered / scale;
    }
  }
  return weights;
}

/** The same, of the two nearest inputs; pixels' centres lie at halves, and the edge's pixel goes on beyond it. */
function linearWeights(from, to) {
  const weights = emptyWeights(to, 2);
  for (let place = 0; place < to; place++) {
    const centre = Math.min(Math.max(((place + 0.5) * from) / to - 0.5, 0), from - 1);
    const first = Math.floor(centre);
    weights.first[place] = first;
    weights.count[place] = first + 1 < from ? 2 : 1;
    weights.shares[2 * place] = 1 - (centre - first);
    weights.shares[2 * place + 1] = centre - first;
  }
  return weights;
}

function emptyWeights(to, stride) {
  return { first: new Int32Array(to), count: new Int32Array(to), stride, shares: new Float32Array(to * stride) };
}

/** The same weights the other way round: for each input, [place, share] of those that take it. */
function byInput({ first, count, stride, shares }, from) {
  const takers = Array.from({ length: from }, () => []);
  for (let place = 0; place < first.length; place++) {
    for (let k = 0; k < count[place]; k++) takers[first[place] + k].push([place, shares[place * stride + k]]);
  }
  return takers;
}
