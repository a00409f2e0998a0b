// What the canvas of the third part shows: a frame, its masks and its keypoints.
'use strict';

tinytrack.overlay = (() => {
  const STRENGTH = 0.5;  // of a mask, over the picture

  // The pixels of a frame with masks over it: the inside is tinted, the edge is drawn in full.
  function tinted(frame, ids, colors) {
    const { width, height } = frame, found = new ImageData(new Uint8ClampedArray(frame.data), width, height), { data } = found;
    for (let y = 0, i = 0; y < height; y++) for (let x = 0; x < width; x++, i++) {
      const id = ids[i];
      if (!id) continue;
      const edge = x + 1 < width && ids[i + 1] !== id || x > 0 && ids[i - 1] !== id
        || y + 1 < height && ids[i + width] !== id || y > 0 && ids[i - width] !== id;
      const share = edge ? 1 : STRENGTH;
      for (let c = 0; c < 3; c++) data[4 * i + c] += share * (colors[id - 1][c] - data[4 * i + c]);
    }
    return found;
  }

  // Draw a frame.
  //   ids: its masks, or null; joints: places or nulls; clicks: {inside, outside} that selected the object, or null
  //   trail(n): where joint n was before, or null for no trails; cursor: {place, radius}, or null
  //   faint: whether these masks and joints are out of date
  function show(canvas, frame, { ids, joints, clicks, trail, colors, cursor, faint }) {
    const context = canvas.getContext('2d');
    context.putImageData(ids ? tinted(frame, ids, faint ? colors.map(() => [150, 150, 150]) : colors) : frame, 0, 0);
    const size = Math.max(3, canvas.height / 60);
    context.font = `600 ${Math.max(9, 3 * size)}px system-ui, sans-serif`;
    const small = joints.length > 20;  // many keypoints get no numbers
    joints.forEach((place, n) => {
      if (trail) drawTrail(context, trail(n), tinytrack.color.css(colors[n % colors.length]), size / 2);
      if (!place) return;
      const [x, y] = [place[0] + 0.5, place[1] + 0.5];  // pixel centres are whole numbers
      context.beginPath();
      context.arc(x, y, small ? size / 1.5 : size, 0, 2 * Math.PI);
      context.fillStyle = faint ? 'rgb(150 150 150)' : tinytrack.color.css(colors[n % colors.length]);
      context.fill();
      context.lineWidth = Math.max(1, size / 3);
      context.strokeStyle = '#fff';
      context.stroke();
      if (small) return;
      context.lineWidth = Math.max(2, size / 2);
      context.strokeStyle = '#000';
      context.strokeText(n + 1, x + 1.5 * size, y - size);
      context.fillStyle = '#fff';
      context.fillText(n + 1, x + 1.5 * size, y - size);
    });
    for (const [sign, places] of [['+', clicks?.inside ?? []], ['\u2212', clicks?.outside ?? []]])
      for (const place of places) drawSign(context, sign, place, size);
    if (!cursor) return;
    for (const [width, style] of [[3, '#000'], [1.5, '#fff']]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.beginPath();
      context.arc(...cursor.place.map(v => v + 0.5), Math.max(2, cursor.radius), 0, 2 * Math.PI);
      context.stroke();
    }
  }

  // Draw where somebody clicked: + on the object, - where it is not.
  function drawSign(context, sign, [x, y], size) {
    context.font = `700 ${Math.max(12, 5 * size)}px system-ui, sans-serif`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.lineWidth = Math.max(2, size);
    context.strokeStyle = '#000';
    context.strokeText(sign, x + 0.5, y + 0.5);
    context.fillStyle = '#fff';
    context.fillText(sign, x + 0.5, y + 0.5);
    context.textAlign = 'start';
    context.textBaseline = 'alphabetic';
  }

  // Draw a line through the last places of a keypoint; it is interrupted where the keypoint was lost.
  function drawTrail(context, places, color, width) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.beginPath();
    places.forEach((place, back) => {
      if (place && places[back - 1]) context.lineTo(place[0] + 0.5, place[1] + 0.5);
      else if (place) context.moveTo(place[0] + 0.5, place[1] + 0.5);
    });
    context.stroke();
  }

  // Draw the strip of all frames: marked, tracked, tracked before the last change, or nothing yet.
  function timeline(canvas, states, current) {
    const context = canvas.getContext('2d'), style = getComputedStyle(canvas), step = canvas.width / states.length;
    const shades = { marked: '--ours', tracked: '--modern', stale: '--faint', empty: '--panel' };
    states.forEach((state, t) => {
      context.fillStyle = style.getPropertyValue(shades[state]);
      context.fillRect(Math.floor(t * step), 0, Math.ceil(step), canvas.height);
    });
    context.strokeStyle = style.getPropertyValue('--ink');
    context.lineWidth = 3;
    context.strokeRect(current * step + 1, 1.5, Math.max(4, step - 2), canvas.height - 3);
  }

  return { show, timeline };
})();
