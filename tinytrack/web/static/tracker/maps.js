// Maps of numbers: averaging a map over larger cells, and scaling it up. A map is a Float64Array (H * W), row by row.
'use strict';

const tracker = {};

tracker.maps = (() => {
  // The cells of one axis, as torch cuts it: cell i covers pixels from floor(i N / n) to ceil((i + 1) N / n).
  const cells = (size, count) => Array.from({ length: count }, (_, i) =>
    [Math.floor(i * size / count), Math.ceil((i + 1) * size / count)]);

  // Average a map (H, W) over the cells of a grid (h, w), like F.adaptive_avg_pool2d.
  function average(map, [H, W], [h, w]) {
    if (H === h && W === w) return Float64Array.from(map);
    const rows = cells(H, h), columns = cells(W, w), found = new Float64Array(h * w), strip = new Float64Array(W);
    for (let y = 0; y < h; y++) {
      strip.fill(0);
      for (let i = rows[y][0]; i < rows[y][1]; i++) for (let j = 0, at = i * W; j < W; j++) strip[j] += map[at + j];
      for (let x = 0; x < w; x++) {
        const [from, to] = columns[x];
        let sum = 0;
        for (let j = from; j < to; j++) sum += strip[j];
        found[y * w + x] = sum / ((rows[y][1] - rows[y][0]) * (to - from));
      }
    }
    return found;
  }

  // Where the pixels of one axis lie between the cells of the smaller one: [lower cell, upper cell, share of the upper one] each.
  const between = (size, count) => Array.from({ length: size }, (_, i) => {
    const place = Math.max(0, (i + 0.5) * count / size - 0.5), low = Math.min(count - 1, Math.floor(place));
    return [low, Math.min(count - 1, low + 1), place - low];
  });

  // Scale a map (h, w) to (H, W) bilinearly; pixel centres correspond, like F.interpolate with align_corners=False.
  function scale(map, [h, w], [H, W]) {
    if (H === h && W === w) return Float64Array.from(map);
    const rows = between(H, h), columns = between(W, w), found = new Float64Array(H * W), wide = new Float64Array(h * W);
    for (let y = 0; y < h; y++) for (let x = 0; x < W; x++) {
      const [low, high, share] = columns[x];
      wide[y * W + x] = map[y * w + low] * (1 - share) + map[y * w + high] * share;
    }
    for (let y = 0; y < H; y++) {
      const [low, high, share] = rows[y];
      for (let x = 0; x < W; x++) found[y * W + x] = wide[low * W + x] * (1 - share) + wide[high * W + x] * share;
    }
    return found;
  }

  // Average a map over squares of +-radius pixels, which are cut off at the border.
  function boxMean(map, [H, W], radius) {
    const along = (from, to, length, step, start) => {
      let sum = 0, low = 0, high = 0;
      for (let i = 0; i < length; i++) {
        for (; high < Math.min(length, i + radius + 1); high++) sum += from[start + high * step];
        for (; low < i - radius; low++) sum -= from[start + low * step];
        to[start + i * step] = sum / (high - low);
      }
    };
    const half = new Float64Array(H * W), found = new Float64Array(H * W);
    for (let x = 0; x < W; x++) along(map, half, H, W, x);
    for (let y = 0; y < H; y++) along(half, found, W, 1, y * W);
    return found;
  }

  return { average, scale, boxMean };
})();
