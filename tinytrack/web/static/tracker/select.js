// Select an object by clicks, as in tinytrack/interactive/select.py: each cell points at the cells around it in its own frame.
'use strict';

tracker.select = (() => {
  const ROWS = 160, RADIUS = 10, TOP_K = 10, STEPS = 300, INSIDE = 1 / 3, SEED = 1;

  // Point from each cell at the best cells around it, but not at itself: {cells, attention}, TOP_K of each per cell.
  function pointAround(f, [h, w], temperature) {
    const D = f.length / (h * w), cells = new Int32Array(h * w * TOP_K), attention = new Float64Array(h * w * TOP_K);
    const best = new tracker.Best(TOP_K);
    for (let j = 0; j < h * w; j++) {
      const y = Math.floor(j / w), x = j % w;
      best.clear();
      for (let i = Math.max(0, y - RADIUS); i <= Math.min(h - 1, y + RADIUS); i++)
        for (let n = Math.max(0, x - RADIUS); n <= Math.min(w - 1, x + RADIUS); n++) {
          const other = i * w + n;
          if (other === j) continue;
          let value = 0;
          for (let d = 0; d < D; d++) value += f[j * D + d] * f[other * D + d];
          if (value > best.values[TOP_K - 1]) best.add(value, other);
        }
      cells.set(best.places, j * TOP_K);
      attention.set(best.softmax(temperature), j * TOP_K);
    }
    return { cells, attention };
  }

  // Copy from cell to cell how much each belongs to the object. fixed: 1 where it is marked, 0 where something else is, else -1.
  function grow({ cells, attention }, fixed) {
    let y = Float64Array.from(fixed, value => value === 1 ? 1 : 0);
    for (let step = 0; step < STEPS; step++)
      y = y.map((_, j) => {
        if (fixed[j] >= 0) return fixed[j];
        let sum = 0;
        for (let k = j * TOP_K; k < (j + 1) * TOP_K; k++) sum += attention[k] * y[cells[k]];
        return sum;
      });
    return y;
  }

  // The cells that clicks and the border fix. inside, outside: [[x, y], ...] in pixels of a frame of the given size.
  function fix(inside, outside, [H, W], [h, w]) {
    const fixed = new Int8Array(h * w).fill(-1);
    for (let i = 0; i < h * w; i++) if (i < w || i >= (h - 1) * w || i % w === 0 || i % w === w - 1) fixed[i] = 0;
    for (const [points, value] of [[outside, 0], [inside, 1]]) for (const [px, py] of points) {
      const column = Math.floor((px + 0.5) * w / W), row = Math.floor((py + 0.5) * h / H);
      for (let i = Math.max(0, row - SEED); i <= Math.min(h - 1, row + SEED); i++)
        for (let n = Math.max(0, column - SEED); n <= Math.min(w - 1, column + SEED); n++) fixed[i * w + n] = value;
    }
    return fixed;
  }

  // The object on which somebody clicked: Uint8Array (H * W), 1 inside. f: embeddings of the frame at ROWS.
  function region(f, rgba, size, inside, outside, temperature) {
    const grid = tracker.workingSize(size, ROWS).map(side => side / tracker.STRIDE);
    const y = grow(pointAround(f, grid, temperature), fix(inside, outside, size, grid));
    return Uint8Array.from(tracker.GuidedFilter.of(rgba, size, grid)(y), value => value > INSIDE ? 1 : 0);
  }

  return { region, ROWS };
})();
