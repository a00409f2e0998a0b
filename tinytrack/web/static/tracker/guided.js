// The guided filter, as in tinytrack/guided.py, for a gray picture: outlines of masks snap to the edges of the picture.
'use strict';

tracker.GuidedFilter = class {
  static CELL = 2;         // pixels per cell of the label grid at which it is fitted
  static RADIUS = 2;       // pixels
  static EPSILON = 1e-3;   // edges with less contrast than its square root are smoothed over

  // guide: gray picture (H * W) in [0, 1]; size: [H, W].
  constructor(guide, size) {
    this.guide = guide;
    this.size = size;
    this.mean = this.box(guide);
    const squares = this.box(guide.map(value => value * value));
    this.variance = squares.map((value, i) => value - this.mean[i] ** 2 + tracker.GuidedFilter.EPSILON);
  }

  // A function that scales maps of a grid up to a frame, RGBA bytes of the given size, along the edges of its gray version.
  static of(rgba, size, grid) {
    const full = tracker.color.gray(rgba), fine = grid.map(side => tracker.GuidedFilter.CELL * side);
    const filter = new tracker.GuidedFilter(tracker.maps.average(full, size, fine), fine);
    return y => filter.scaleUp(y, grid, full, size);
  }

  box(map) {
    return tracker.maps.boxMean(map, this.size, tracker.GuidedFilter.RADIUS);
  }

  // The coefficients of y = a * guide + b around every pixel, for a map y (H * W).
  fit(y) {
    const mean = this.box(y), products = this.box(y.map((value, i) => value * this.guide[i]));
    const a = products.map((value, i) => (value - this.mean[i] * mean[i]) / this.variance[i]);
    const b = mean.map((value, i) => value - a[i] * this.mean[i]);
    return [this.box(a), this.box(b)];
  }

  // Scale a map y of the given grid up to a larger version of the guide, full (H * W) of the given size.
  scaleUp(y, grid, full, size) {
    const { scale } = tracker.maps, [a, b] = this.fit(scale(y, grid, this.size)).map(map => scale(map, this.size, size));
    return full.map((value, i) => a[i] * value + b[i]);
  }
};
