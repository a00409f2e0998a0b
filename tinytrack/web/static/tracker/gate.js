// The gate, as in tinytrack/gate.py: an object may appear only near the place where it was one frame before.
'use strict';

tracker.Gate = class {
  static HELD = 0.5;    // an object counts as held while its area is at least this share of its running mean
  static MEMORY = 0.9;  // weight of the past in that running mean

  // classes: of the mask, background first; others: whether other labels follow, which pass the gate everywhere; radius: in cells.
  constructor(labels, K, classes, [h, w], radius) {
    Object.assign(this, { K, classes, h, w, radius, others: K > classes, meanArea: null });
    this.look(labels);
  }

  // Whether any label may reach a cell.
  reaches(cell) {
    return this.others || this.near.some(map => map[cell]);
  }

  // Turn what is outside the gates into background, in place.
  restrict(labels) {
    for (let i = 0; i < this.h * this.w; i++) {
      let sum = 0;
      for (let n = 1; n < this.classes; n++) sum += labels[i * this.K + n] *= this.near[n - 1][i];
      labels[i * this.K] = 1 - sum;
    }
    this.look(labels);
  }

  // Remember where the objects are, and whether they are held.
  look(labels) {
    const { K, classes, h, w } = this, maps = tracker.labels.removePrior(tracker.labels.unstack(labels, K, 0, classes));
    const winner = Uint8Array.from({ length: h * w }, (_, i) => {
      let best = 0;
      for (let n = 1; n < classes; n++) if (maps[n][i] > maps[best][i]) best = n;
      return best;
    });
    const area = Array.from({ length: classes - 1 }, (_, n) => winner.reduce((count, id) => count + (id === n + 1), 0));
    const { HELD, MEMORY } = tracker.Gate;
    this.meanArea = area.map((now, n) => this.meanArea ? MEMORY * this.meanArea[n] + (1 - MEMORY) * now : now);
    this.near = area.map((now, n) =>
      now === 0 || now < HELD * this.meanArea[n] ? new Uint8Array(h * w).fill(1) : this.around(winner, n + 1));
  }

  // The cells within the radius of an object.
  around(winner, id) {
    const { h, w, radius } = this, rows = new Uint8Array(h * w), found = new Uint8Array(h * w);
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++)
      if (winner[y * w + x] === id) rows.fill(1, y * w + Math.max(0, x - radius), y * w + Math.min(w, x + radius + 1));
    for (let y = 0; y < h; y++) for (let i = Math.max(0, y - radius); i <= Math.min(h - 1, y + radius); i++)
      for (let x = 0; x < w; x++) found[y * w + x] |= rows[i * w + x];
    return found;
  }
};
