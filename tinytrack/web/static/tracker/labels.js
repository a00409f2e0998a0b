// Label maps, as in tinytrack/label_maps.py: masks, keypoints and colours become maps on the grid, and are read out again.
// Label maps of K labels are Float32Array (cells * K): the K numbers of a cell are adjacent.
'use strict';

tracker.labels = (() => {
  const BALANCE = 0.2;       // exponent of the class prior
  const SIGMA = 0.7;         // cells, of the bright spot of a keypoint
  const REACH = 2;           // cells around the peak, in the centre of mass
  const LOST_BELOW = 0.01;   // a keypoint is lost when its peak is lower than this share of its first peak

  // Put maps next to each other: K maps (cells) -> (cells * K).
  function stack(maps) {
    const K = maps.length, found = new Float32Array(K * maps[0].length);
    maps.forEach((map, k) => { for (let i = 0; i < map.length; i++) found[i * K + k] = map[i]; });
    return found;
  }

  // Take labels from..to out of label maps of K labels, as one map each.
  const unstack = (labels, K, from, to) => Array.from({ length: to - from }, (_, n) =>
    Float64Array.from({ length: labels.length / K }, (_, i) => labels[i * K + from + n]));

  // ---- masks

  // The share of each class in every cell, background first. mask: Uint8Array (H * W) of 0 ... objects.
  const maskMaps = (mask, objects, size, grid) => Array.from({ length: objects + 1 }, (_, id) =>
    tracker.maps.average(Float64Array.from(mask, value => value === id ? 1 : 0), size, grid));

  // Divide each map by a power of the share of the frame that it holds, so that small objects do not lose for being small.
  const removePrior = maps => maps.map(map => {
    const prior = Math.max(1e-4, map.reduce((a, b) => a + b, 0) / map.length) ** BALANCE;
    return map.map(value => value / prior);
  });

  // Class maps on the grid -> Uint8Array (H * W) of object ids, with outlines that follow the picture.
  function readMask(maps, grid, rgba, size) {
    const even = removePrior(maps), sums = even[0].map((_, i) => Math.max(1e-8, even.reduce((sum, map) => sum + map[i], 0)));
    const scaleUp = tracker.GuidedFilter.of(rgba, size, grid), pixels = size[0] * size[1];
    const found = new Uint8Array(pixels), best = new Float64Array(pixels), background = new Float64Array(pixels).fill(1);
    for (let n = 1; n < even.length; n++) {
      const y = scaleUp(even[n].map((value, i) => value / sums[i]));
      for (let i = 0; i < y.length; i++) {
        if (y[i] > best[i]) [found[i], best[i]] = [n, y[i]];
        background[i] -= y[i];
      }
    }
    return found.map((id, i) => background[i] >= best[i] ? 0 : id);
  }

  // ---- keypoints

  // A bright spot for each keypoint [x, y] in pixels; nothing where it is null.
  const jointMaps = (joints, [H, W], [h, w]) => joints.map(joint => {
    const map = new Float64Array(h * w);
    if (!joint) return map;
    const x = (joint[0] + 0.5) * w / W - 0.5, y = (joint[1] + 0.5) * h / H - 0.5;
    return map.map((_, i) => Math.exp(-(((i % w) - x) ** 2 + (Math.floor(i / w) - y) ** 2) / (2 * SIGMA ** 2)));
  });

  // Maps -> {place: [x, y] in pixels or null, confidence} of each keypoint. peaks: the highest value of each map in the first frame.
  const readJoints = (maps, peaks, [h, w], [H, W]) => maps.map((map, n) => {
    let top = 0;
    for (let i = 1; i < map.length; i++) if (map[i] > map[top]) top = i;
    const confidence = Math.min(1, Math.max(0, map[top] / Math.max(1e-6, peaks[n])));
    if (map[top] <= 0 || confidence < LOST_BELOW) return { place: null, confidence };
    const y0 = Math.floor(top / w), x0 = top % w;
    let mass = 0, x = 0, y = 0;
    for (let i = Math.max(0, y0 - REACH); i <= Math.min(h - 1, y0 + REACH); i++)
      for (let j = Math.max(0, x0 - REACH); j <= Math.min(w - 1, x0 + REACH); j++) {
        const value = map[i * w + j];
        mass += value;
        x += value * j;
        y += value * i;
      }
    return { place: [(x / mass + 0.5) * W / w - 0.5, (y / mass + 0.5) * H / h - 0.5], confidence };
  });

  // ---- colours

  const colorMaps = (rgba, size, grid) => tracker.color.ab(rgba).map(map => tracker.maps.average(map, size, grid));
  const paint = (rgba, maps, grid, size) => tracker.color.paint(rgba, maps.map(map => tracker.maps.scale(map, grid, size)));

  return { stack, unstack, maskMaps, removePrior, readMask, jointMaps, readJoints, colorMaps, paint };
})();
