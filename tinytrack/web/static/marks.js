// What the user marks in the third part: a mask and keypoints per frame, with undo and redo.
'use strict';

tinytrack.Marks = class {
  static DEEPEST = 40;  // steps that can be taken back

  // width, height: of the frames; before(frame): what is known of a frame that has no marks, {ids, joints}, or null.
  constructor(width, height, before) {
    Object.assign(this, { width, height, before, frames: new Map(), past: [], future: [], made: 0 });
  }

  // The marks of a frame: {ids: Uint8Array or null, joints: [[x, y] or null, ...], clicks: {object: {inside: [[x, y], ...], outside}}};
  // null if it has none. An object's clicks are forgotten once its mask is painted by hand.
  of(frame) {
    return this.frames.get(frame) ?? null;
  }

  // Change the marks of a frame. The first change starts from what was tracked there. more: it belongs to the last change.
  change(frame, action, more = false) {
    const old = this.of(frame), known = old ?? this.before(frame), ids = known?.ids ? known.ids.slice() : null;
    const fresh = { ids, joints: (known?.joints ?? []).map(place => place && [...place]), clicks: { ...known?.clicks } };
    action(fresh);
    const first = more ? this.past.pop().old : old;
    this.set(frame, first, fresh.ids?.some(Boolean) || fresh.joints.some(Boolean) ? fresh : null);
  }

  clear(frame) {
    if (this.of(frame)) this.set(frame, this.of(frame), null);
  }

  set(frame, old, fresh) {
    this.past.push({ frame, old, fresh });
    if (this.past.length > tinytrack.Marks.DEEPEST) this.past.shift();
    this.future = [];
    this.put(frame, fresh);
  }

  put(frame, marks) {
    if (marks) this.frames.set(frame, Object.assign(marks, { number: marks.number ?? ++this.made }));
    else this.frames.delete(frame);
  }

  // A text that changes with the marks, and is the same again after an undo.
  get version() {
    return [...this.frames].sort(([a], [b]) => a - b).map(([frame, { number }]) => `${frame}:${number}`).join();
  }

  // Take the last change back, or make it again. Returns its frame, or null if there is none.
  step(from, to, key) {
    const change = this[from].pop();
    if (!change) return null;
    this[to].push(change);
    this.put(change.frame, change[key]);
    return change.frame;
  }

  undo() { return this.step('past', 'future', 'old'); }
  redo() { return this.step('future', 'past', 'fresh'); }

  // Paint a disc around a line from one place to another with an object's number; 0 erases. more: the line continues the last one.
  paint(frame, [x0, y0], [x1, y1], radius, id, more = false) {
    const { width, height } = this, along = (x1 - x0) ** 2 + (y1 - y0) ** 2;
    this.change(frame, marks => {
      marks.ids ??= new Uint8Array(width * height);
      if (id) delete marks.clicks[id];
      else marks.clicks = {};
      const within = (value, most) => Math.min(most, Math.max(0, Math.round(value)));
      for (let y = within(Math.min(y0, y1) - radius, height); y < within(Math.max(y0, y1) + radius + 1, height); y++)
        for (let x = within(Math.min(x0, x1) - radius, width); x < within(Math.max(x0, x1) + radius + 1, width); x++) {
          const t = along ? Math.min(1, Math.max(0, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / along)) : 0;
          if ((x - x0 - t * (x1 - x0)) ** 2 + (y - y0 - t * (y1 - y0)) ** 2 <= radius ** 2) marks.ids[y * width + x] = id;
        }
    }, more);
  }

  // Make a region, Uint8Array (H * W), the mask of an object, which remembers the clicks. Other objects keep what they have.
  select(frame, region, id, clicks) {
    this.change(frame, marks => {
      marks.ids ??= new Uint8Array(region.length);
      marks.ids = marks.ids.map((old, i) => old && old !== id ? old : region[i] * id);
      marks.clicks[id] = clicks;
    });
  }

  // Add a region to the mask of an object, or remove it. Other objects keep what they have.
  join(frame, region, id, removes) {
    this.change(frame, marks => {
      marks.ids = marks.ids.map((old, i) => !region[i] || (old && old !== id) ? old : removes ? 0 : id);
    });
  }
};
