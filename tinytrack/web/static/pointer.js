// The pointer of the paper, as in tinytrack/pointer.py: where does a cell point (Eq. 2), and what does it copy from there (Eq. 1)?
'use strict';

tinytrack.pointer = (() => {
  // Undo the storage in bytes: {values, low, step} -> one Float64Array (h * w * D) per frame.
  function embeddings(stored, frames, cells) {
    const { low, step } = stored, dim = low.length, bytes = tinytrack.bytes(stored.values);
    return Array.from({ length: frames }, (_, t) => {
      const map = new Float64Array(cells * dim);
      for (let i = 0, from = t * map.length; i < map.length; i++) map[i] = low[i % dim] + step[i % dim] * bytes[from + i];
      return map;
    });
  }

  // Raw patches, as in tinytrack/evaluation/baselines.py: the 8x8 pixels around a cell of 4x4, scaled, and lifted onto the unit sphere.
  function patches(gray, H, W, stride = 4, side = 8) {
    const h = Math.floor(H / stride), w = Math.floor(W / stride), dim = side * side + 1, edge = (side - stride) / 2;
    const reflect = (i, n) => i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
    const map = new Float64Array(h * w * dim);
    for (let row = 0, at = 0; row < h; row++) for (let column = 0; column < w; column++, at += dim) {
      let sum = 0;
      for (let i = 0; i < dim - 1; i++) {
        const y = reflect(row * stride - edge + Math.floor(i / side), H), x = reflect(column * stride - edge + i % side, W);
        const value = (gray[y * W + x] / 127.5 - 1) * 0.5 / side;
        map[at + i] = value;
        sum += value * value;
      }
      const length = Math.sqrt(sum), shorter = Math.min(length, 0.99) / Math.max(length, 1e-8);
      for (let i = 0; i < dim - 1; i++) map[at + i] *= shorter;
      map[at + dim - 1] = Math.sqrt(1 - (length * shorter) ** 2);
    }
    return map;
  }

  // Eq. 2 for one cell. One softmax runs over the cells of all references.
  //   target: embeddings (h * w * D) of the target frame; references: R of them
  //   radius: the cell points within a square of +-radius cells, 0 for anywhere; topK: the best k cells count, 0 for all
  // Returns Float64Array (R * h * w), which sums to one.
  function attention(target, references, { h, w, column, row, temperature, radius = 0, topK = 0 }) {
    const cells = h * w, dim = target.length / cells, own = (row * w + column) * dim;
    const logits = new Float64Array(references.length * cells).fill(-Infinity);
    const near = radius || Math.max(h, w);
    const top = Math.max(0, row - near), bottom = Math.min(h - 1, row + near);
    const left = Math.max(0, column - near), right = Math.min(w - 1, column + near);
    // inner products, divided by the temperature
    references.forEach((reference, r) => {
      for (let y = top; y <= bottom; y++) for (let x = left; x <= right; x++) {
        let sum = 0;
        for (let d = 0, at = (y * w + x) * dim; d < dim; d++) sum += target[own + d] * reference[at + d];
        logits[r * cells + y * w + x] = sum / temperature;
      }
    });
    if (topK) keepTopK(logits, topK);
    // softmax
    let peak = -Infinity, total = 0;
    for (const value of logits) peak = Math.max(peak, value);
    const weights = logits.map(value => Math.exp(value - peak));
    for (const value of weights) total += value;
    return weights.map(value => value / total);
  }

  // Keep exactly the k largest logits; the others become -Infinity.
  function keepTopK(logits, k) {
    if (k >= logits.length) return;
    const bound = logits.slice().sort()[logits.length - k];
    let ties = k - logits.reduce((count, value) => count + (value > bound), 0);
    for (let i = 0; i < logits.length; i++)
      if (logits[i] < bound || (logits[i] === bound && ties-- <= 0)) logits[i] = -Infinity;
  }

  // Eq. 1 for labels. labels: one Uint8Array (K * h * w) of shares times 255 per reference, or null where nobody drew a mask.
  // Returns the K copied shares, which sum to one, and how much of the attention went to frames with a mask.
  function copyLabels(weights, labels, cells, classes) {
    const shares = new Float64Array(classes);
    let known = 0;
    labels.forEach((maps, r) => {
      if (!maps) return;
      for (let i = 0; i < cells; i++) {
        const weight = weights[r * cells + i];
        if (!weight) continue;
        known += weight;
        for (let c = 0; c < classes; c++) shares[c] += weight * maps[c * cells + i];
      }
    });
    const sum = shares.reduce((a, b) => a + b, 0);
    return { shares: sum ? shares.map(value => value / sum) : shares, known };
  }

  // Eq. 1 for colours. lab: one Int8Array (h * w * 3) per reference. Returns the mean [a, b].
  function copyColor(weights, lab, cells) {
    const ab = [0, 0];
    lab.forEach((map, r) => {
      for (let i = 0; i < cells; i++) {
        ab[0] += weights[r * cells + i] * map[3 * i + 1];
        ab[1] += weights[r * cells + i] * map[3 * i + 2];
      }
    });
    return ab;
  }

  return { embeddings, patches, attention, copyLabels, copyColor };
})();
