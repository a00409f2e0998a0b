// Colour, as in tinytrack/color.py: RGB to Lab and back. Frames are RGBA bytes, as a canvas gives them.
'use strict';

tracker.color = (() => {
  const XYZ = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]];
  const RGB = [[3.24048134, -1.53715152, -0.49853633], [-0.96925495, 1.87599, 0.04155593], [0.05564664, -0.20404134, 1.05731107]];
  const WHITE = [0.95047, 1, 1.08883];
  const LINEAR = Float64Array.from({ length: 256 }, (_, v) => v / 255 > 0.04045 ? ((v / 255 + 0.055) / 1.055) ** 2.4 : v / 255 / 12.92);

  const curve = value => value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116;

  function xyz(rgba, at, channel) {
    const [r, g, b] = XYZ[channel];
    return curve((r * LINEAR[rgba[at]] + g * LINEAR[rgba[at + 1]] + b * LINEAR[rgba[at + 2]]) / WHITE[channel]);
  }

  // (a, b) of every pixel, as two maps.
  function ab(rgba) {
    const maps = [new Float64Array(rgba.length / 4), new Float64Array(rgba.length / 4)];
    for (let i = 0; i < maps[0].length; i++) {
      const y = xyz(rgba, 4 * i, 1);
      maps[0][i] = 500 * (xyz(rgba, 4 * i, 0) - y);
      maps[1][i] = 200 * (y - xyz(rgba, 4 * i, 2));
    }
    return maps;
  }

  // What the network sees: L, scaled to [-1, 1].
  const networkInput = rgba => Float32Array.from({ length: rgba.length / 4 }, (_, i) => (116 * xyz(rgba, 4 * i, 1) - 16) / 50 - 1);

  // The mean of the three channels in [0, 1]: the picture that the guided filter follows.
  const gray = rgba => Float64Array.from({ length: rgba.length / 4 }, (_, i) => (rgba[4 * i] + rgba[4 * i + 1] + rgba[4 * i + 2]) / 765);

  // Replace the colours of a frame: L stays its own, (a, b) are the given maps.
  function paint(rgba, [a, b]) {
    const found = new Uint8ClampedArray(rgba.length);
    for (let i = 0; i < a.length; i++) {
      const y = xyz(rgba, 4 * i, 1), f = [y + a[i] / 500, y, Math.max(0, y - b[i] / 200)];
      const colors = f.map((value, c) => WHITE[c] * (value > 0.2068966 ? value ** 3 : (value - 16 / 116) / 7.787));
      for (let c = 0; c < 3; c++) {
        const linear = RGB[c][0] * colors[0] + RGB[c][1] * colors[1] + RGB[c][2] * colors[2];
        found[4 * i + c] = Math.round(255 * (linear > 0.0031308 ? 1.055 * linear ** (1 / 2.4) - 0.055 : 12.92 * linear));
      }
      found[4 * i + 3] = 255;
    }
    return found;
  }

  return { ab, networkInput, gray, paint };
})();
