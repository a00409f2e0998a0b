// The pointer, tile by tile, as in tinytrack/fast.py: the targets of a small square share one neighbourhood of reference cells.
'use strict';

// The k best of what it is shown, best first, with their places.
tracker.Best = class {
  constructor(k) {
    this.values = new Float64Array(k);
    this.places = new Int32Array(k);
    this.weights = new Float64Array(k);
  }

  clear() {
    this.values.fill(-Infinity);
  }

  add(value, place) {  // the caller has seen that value is better than the last one
    const { values, places } = this;
    let i = values.length - 1;
    for (; i > 0 && values[i - 1] < value; i--) {
      values[i] = values[i - 1];
      places[i] = places[i - 1];
    }
    values[i] = value;
    places[i] = place;
  }

  // The softmax over them; if there were fewer than k, the weights of the others are 0.
  softmax(temperature) {
    const { values, weights } = this;
    let total = 0;
    for (let k = 0; k < values.length; k++) total += weights[k] = Math.exp((values[k] - values[0]) / temperature);
    for (let k = 0; k < values.length; k++) weights[k] /= total;
    return weights;
  }
};

tracker.pointAndCopy = (() => {
  const TILE = 10;  // cells per side

  // Point (Eq. 2), then copy (Eq. 1).
  //   product(a, b): inner products of the rows of a (m * D) and b (n * D), as Float32Array (m * n)
  //   target: embeddings (cells * D); references: {f: (cells * D), labels: (cells * K)} each, all within the window but for the
  //   first, if anywhere is true; wanted(cell): whether to compute a target cell. The labels of the others are zero.
  return async function (product, target, references, { h, w, D, K, temperature, radius, topK, anywhere, wanted }) {
    const found = new Float32Array(h * w * K), best = new tracker.Best(topK);
    const windows = anywhere ? references.slice(1) : references, far = anywhere ? references[0] : null, first = anywhere ? 1 : 0;
    for (let y0 = 0; y0 < h; y0 += TILE) for (let x0 = 0; x0 < w; x0 += TILE) {
      // the targets of this tile
      const cells = [];
      for (let y = y0; y < Math.min(h, y0 + TILE); y++) for (let x = x0; x < Math.min(w, x0 + TILE); x++)
        if (wanted(y * w + x)) cells.push([y, x]);
      if (!cells.length) continue;
      const f = new Float32Array(cells.length * D);
      cells.forEach(([y, x], m) => f.set(target.subarray((y * w + x) * D, (y * w + x + 1) * D), m * D));
      // the reference cells around it, and all inner products
      const top = Math.max(0, y0 - radius), bottom = Math.min(h, y0 + TILE + radius), left = Math.max(0, x0 - radius);
      const width = Math.min(w, x0 + TILE + radius) - left, around = (bottom - top) * width;
      const strip = new Float32Array(windows.length * around * D);
      windows.forEach((reference, r) => {
        for (let y = top; y < bottom; y++)
          strip.set(reference.f.subarray((y * w + left) * D, (y * w + left + width) * D), (r * around + (y - top) * width) * D);
      });
      const logits = windows.length ? await product(f, strip) : null;
      const farLogits = far ? await product(f, far.f) : null;
      cells.forEach(([y, x], m) => {
        // the k best cells of all references together; a place is reference * cells + cell
        best.clear();
        let least = -Infinity;
        const seen = (value, place) => {
          best.add(value, place);
          least = best.values[topK - 1];
        };
        if (far) for (let i = 0, at = m * h * w; i < h * w; i++) if (farLogits[at + i] > least) seen(farLogits[at + i], i);
        const from = Math.max(left, x - radius), to = Math.min(w, x + radius + 1);
        for (let r = 0; r < windows.length; r++)
          for (let i = Math.max(0, y - radius); i < Math.min(h, y + radius + 1); i++) {
            const at = (m * windows.length + r) * around + (i - top) * width - left;
            for (let j = from; j < to; j++) if (logits[at + j] > least) seen(logits[at + j], (first + r) * h * w + i * w + j);
          }
        // softmax over them, then copy
        const weights = best.softmax(temperature);
        for (let k = 0; k < topK && weights[k] > 0; k++) {
          const place = best.places[k], { labels } = references[Math.floor(place / (h * w))], cell = place % (h * w);
          for (let n = 0; n < K; n++) found[(y * w + x) * K + n] += weights[k] * labels[cell * K + n];
        }
      });
    }
    return found;
  };
})();
