// Embeddings as colours, as principal_colors in tinytrack/draw/pictures.py: cells with similar embeddings get similar colours.
'use strict';

tracker.similar = (() => {
  const TURNS = 100;             // of the power iteration
  const RANGE = [0.02, 0.98];    // quantiles of a component that become dark and bright

  // The three directions along which the embeddings f (cells * D) differ most: {mean, axes, low, high}.
  function basis(f, D) {
    const cells = f.length / D, mean = new Float64Array(D), covariance = new Float64Array(D * D);
    for (let i = 0; i < f.length; i++) mean[i % D] += f[i] / cells;
    for (let c = 0; c < cells; c++) for (let a = 0; a < D; a++) {
      const from = f[c * D + a] - mean[a];
      for (let b = 0; b < D; b++) covariance[a * D + b] += from * (f[c * D + b] - mean[b]) / cells;
    }
    const axes = Array.from({ length: 3 }, () => strongest(covariance, D));
    const values = axes.map(axis => project(f, D, mean, axis).sort());
    const edge = share => values.map(sorted => sorted[Math.min(cells - 1, Math.floor(share * cells))]);
    return { mean, axes, low: edge(RANGE[0]), high: edge(RANGE[1]) };
  }

  // The strongest eigenvector of a symmetric matrix, by repeated multiplication; it is then taken out of the matrix.
  function strongest(matrix, D) {
    let axis = Float64Array.from({ length: D }, (_, i) => Math.cos(i + 1)), size = 0;
    for (let turn = 0; turn < TURNS; turn++) {
      const next = axis.map((_, a) => axis.reduce((sum, value, b) => sum + matrix[a * D + b] * value, 0));
      size = Math.max(1e-12, Math.hypot(...next));
      axis = next.map(value => value / size);
    }
    for (let a = 0; a < D; a++) for (let b = 0; b < D; b++) matrix[a * D + b] -= size * axis[a] * axis[b];
    return axis;
  }

  const project = (f, D, mean, axis) => Float64Array.from({ length: f.length / D }, (_, c) => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += (f[c * D + d] - mean[d]) * axis[d];
    return sum;
  });

  // One colour per cell: RGBA bytes (cells * 4).
  function colors(f, D, { mean, axes, low, high }) {
    const found = new Uint8ClampedArray(f.length / D * 4).fill(255);
    axes.forEach((axis, n) => project(f, D, mean, axis).forEach((value, c) => {
      found[4 * c + n] = 255 * (value - low[n]) / Math.max(1e-9, high[n] - low[n]);
    }));
    return found;
  }

  return { basis, colors };
})();
