// What the canvases of "Where does this pixel point?" show.
'use strict';

tinytrack.draw = (() => {
  // A canvas of the given size, with its drawing context.
  function sketch(width, height) {
    const canvas = tinytrack.make('canvas', { width, height });
    return [canvas, canvas.getContext('2d')];
  }

  // A picture in shades of gray, a little darker, so that attention can be seen on it.
  function gray(image) {
    const [canvas, context] = sketch(image.width, image.height);
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height), values = pixels.data;
    for (let i = 0; i < values.length; i += 4)
      values[i] = values[i + 1] = values[i + 2] = 0.8 * (0.2126 * values[i] + 0.7152 * values[i + 1] + 0.0722 * values[i + 2]);
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  // A ring that is visible on light and on dark pictures.
  function ring(context, x, y, radius, color) {
    for (const [width, style] of [[5, '#000'], [2.5, color]]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  // The target frame with the chosen cell in a ring; the ring is thicker while the cell is held.
  function target(canvas, image, { h, w, column, row, held }) {
    const context = canvas.getContext('2d'), cw = canvas.width / w, ch = canvas.height / h;
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    context.lineWidth = 1.5;
    context.strokeStyle = '#fff';
    context.strokeRect(column * cw, row * ch, cw, ch);
    ring(context, (column + 0.5) * cw, (row + 0.5) * ch, Math.max(11, 1.8 * cw), '#ff7a1a');
    if (held) ring(context, (column + 0.5) * cw, (row + 0.5) * ch, Math.max(11, 1.8 * cw) + 4, '#fff');
  }

  // A reference frame with the attention that it gets.
  //   weights: h * w of them; peak: the weight that is drawn brightest; box: [left, top, right, bottom] of the window in cells, or null
  //   outlines: which object each cell belongs to, 0 for none; or null
  function reference(canvas, picture, { h, w, weights, peak, box, outlines, colors }) {
    const context = canvas.getContext('2d'), cw = canvas.width / w, ch = canvas.height / h;
    context.imageSmoothingEnabled = true;
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    // one pixel per cell, enlarged without smoothing; the square root makes more than the peak visible
    const [small, paint] = sketch(w, h), cells = paint.createImageData(w, h);
    let best = 0;
    for (let i = 0; i < h * w; i++) {
      const value = Math.sqrt(Math.min(1, weights[i] / peak));
      if (weights[i] > weights[best]) best = i;
      cells.data.set([...tinytrack.color.heat(value), value > 0.02 ? 60 + 180 * value : 40], 4 * i);
    }
    paint.putImageData(cells, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    if (outlines) edges(context, outlines, colors, h, w, cw, ch);
    if (box) {
      context.setLineDash([6, 5]);
      context.lineWidth = 2;
      context.strokeStyle = '#fff';
      context.strokeRect(box[0] * cw, box[1] * ch, (box[2] - box[0] + 1) * cw, (box[3] - box[1] + 1) * ch);
      context.setLineDash([]);
    }
    if (weights[best] > peak / 4) ring(context, (best % w + 0.5) * cw, (Math.floor(best / w) + 0.5) * ch, Math.max(9, 1.6 * cw), '#fff');
  }

  // Draw the sides of cells at which one object ends.
  function edges(context, outlines, colors, h, w, cw, ch) {
    context.lineWidth = 2;
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
      const id = outlines[y * w + x];
      if (!id) continue;
      context.strokeStyle = tinytrack.color.css(colors[id - 1]);
      context.beginPath();
      const side = (inside, neighbour, x0, y0, x1, y1) => {
        if (!inside || outlines[neighbour] === id) return;
        context.moveTo(x0 * cw, y0 * ch);
        context.lineTo(x1 * cw, y1 * ch);
      };
      side(x + 1 < w, y * w + x + 1, x + 1, y, x + 1, y + 1);
      side(x > 0, y * w + x - 1, x, y, x, y + 1);
      side(y + 1 < h, (y + 1) * w + x, x, y + 1, x + 1, y + 1);
      side(y > 0, (y - 1) * w + x, x, y, x + 1, y);
      context.stroke();
    }
  }

  return { gray, target, reference };
})();
