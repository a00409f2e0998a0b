// Propagation, as in tinytrack/propagate.py and track.py: carry the labels of one frame through a video, one pointer step per frame.
'use strict';

// The protocol "refined": the first frame and the last seven are references.
tracker.REFINED = { rows: 240, back: 7, radius: 12, topK: 10, gate: 8 };

tracker.STRIDE = 4;  // pixels per cell

// Python's round: halves go to the even number.
tracker.round = value => value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);

// The same protocol for frames whose shorter side has the given number of pixels: window and gate keep their size in the picture.
tracker.atRows = rows => {
  const scaled = cells => Math.max(1, tracker.round(cells * rows / tracker.REFINED.rows));
  return { ...tracker.REFINED, rows, radius: scaled(tracker.REFINED.radius), gate: scaled(tracker.REFINED.gate) };
};

// The [height, width] at which the network sees a frame: whole cells, and the shorter side as the protocol says.
tracker.workingSize = ([H, W], rows) => [H, W].map(side =>
  Math.max(tracker.STRIDE, tracker.round(side * rows / Math.min(H, W) / tracker.STRIDE) * tracker.STRIDE));

tracker.Carrier = class {
  // engine: {embed(gray, size), product(a, b), temperature}
  // size: [H, W] of the frames; given: {rgba, input, mask, objects, joints, colors} of the first frame, where
  //   rgba: bytes of the frame; input: bytes of the frame at the working size; mask: ids (H * W), or null; objects: how many
  //   joints: [[x, y] or null, ...]; colors: whether to carry colours
  static async start(engine, size, rows, given) {
    const carrier = new tracker.Carrier();
    const input = tracker.workingSize(size, rows), grid = input.map(side => side / tracker.STRIDE), protocol = tracker.atRows(rows);
    const parts = {
      mask: given.mask ? tracker.labels.maskMaps(given.mask, given.objects, size, grid) : [],
      joints: tracker.labels.jointMaps(given.joints ?? [], size, grid),
      colors: given.colors ? tracker.labels.colorMaps(given.rgba, size, grid) : [],
    };
    const maps = [...parts.mask, ...parts.joints, ...parts.colors], labels = tracker.labels.stack(maps);
    Object.assign(carrier, { engine, size, input, grid, protocol, K: maps.length, index: 0, past: [] });
    carrier.ends = [parts.mask.length, parts.mask.length + parts.joints.length, maps.length];
    carrier.peaks = parts.joints.map(map => map.reduce((a, b) => Math.max(a, b), 0));
    carrier.gate = given.mask ? new tracker.Gate(labels, maps.length, parts.mask.length, grid, protocol.gate) : null;
    carrier.first = { f: await carrier.embed(given.input), labels };
    carrier.past.push(carrier.first);
    return carrier;
  }

  embed(input) {
    return this.engine.embed(tracker.color.networkInput(input), this.input);
  }

  // Copy the labels of the frames before to the next one. Returns {ids, joints, painted, labels}.
  async next(rgba, input) {
    const { protocol, past, grid: [h, w], K, gate } = this, target = await this.embed(input);
    this.index++;
    const anywhere = this.index > protocol.back;  // the first frame is then further back than the others, and searched as a whole
    const references = anywhere ? [this.first, ...past] : past;
    const labels = await tracker.pointAndCopy(this.engine.product, target, references, {
      h, w, D: target.length / (h * w), K, temperature: this.engine.temperature, radius: protocol.radius, topK: protocol.topK, anywhere,
      wanted: gate ? cell => gate.reaches(cell) : () => true,
    });
    if (gate) gate.restrict(labels);
    past.push({ f: target, labels });
    if (past.length > protocol.back) past.shift();
    return { ...this.read(labels, rgba), labels };
  }

  // Label maps -> labels of the frame.
  read(labels, rgba) {
    const { K, grid, size, ends: [a, b, c] } = this, { unstack, readMask, readJoints, paint } = tracker.labels;
    return {
      ids: a ? readMask(unstack(labels, K, 0, a), grid, rgba, size) : null,
      joints: readJoints(unstack(labels, K, a, b), this.peaks, grid, size),
      painted: c > b ? paint(rgba, unstack(labels, K, b, c), grid, size) : null,
    };
  }
};
