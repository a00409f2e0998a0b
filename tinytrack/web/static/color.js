// Colours: Lab to RGB, as in tinytrack/color.py, and the scale that shows attention.
'use strict';

tinytrack.color = (() => {
  const RGB_FROM_XYZ = [[3.24048134, -1.53715152, -0.49853633], [-0.96925495, 1.87599, 0.04155593], [0.05564664, -0.20404134, 1.05731107]];
  const WHITE = [0.95047, 1, 1.08883];
  const HEAT = [[20, 30, 110], [40, 100, 200], [60, 180, 190], [170, 220, 110], [255, 235, 60]];  // from little to much attention

  // [L, a, b] -> a CSS colour; colours that a screen cannot show are clipped.
  function fromLab([lightness, a, b]) {
    const y = (lightness + 16) / 116, f = [y + a / 500, y, Math.max(0, y - b / 200)];
    const xyz = f.map((value, i) => WHITE[i] * (value > 0.2068966 ? value ** 3 : (value - 16 / 116) / 7.787));
    const channels = RGB_FROM_XYZ.map(row => {
      const linear = row.reduce((sum, factor, i) => sum + factor * xyz[i], 0);
      const value = linear > 0.0031308 ? 1.055 * linear ** (1 / 2.4) - 0.055 : 12.92 * linear;
      return Math.round(255 * Math.min(1, Math.max(0, value)));
    });
    return `rgb(${channels.join(' ')})`;
  }

  // A number from 0 to 1 -> [r, g, b].
  function heat(value) {
    const place = Math.min(0.9999, Math.max(0, value)) * (HEAT.length - 1), i = Math.floor(place);
    return HEAT[i].map((low, c) => low + (place - i) * (HEAT[i + 1][c] - low));
  }

  return { fromLab, heat, css: channels => `rgb(${channels.join(' ')})` };
})();
