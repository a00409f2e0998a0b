// The front end of timeline.Timeline: draws what is known about each frame, and reports the frame that a person clicks or drags to.

const ROW = 16, TALL = 14, BAR = 8, LINE = 2; // heights in pixels of the page: a row, a marked, a tracked and an absent frame
const WIDE = 6; // smallest width of a marked frame, so that it is visible in a long video and under the line of the current frame
const [NOTHING, STALE, TRACKED, MARKED] = [0, 1, 2, 3]; // as in timeline_rows.py
const FULL = 15;
const GROOVE = "rgba(128, 128, 128, .28)";
const LEGEND = [["marked", MARKED, FULL], ["tracked", TRACKED, FULL], ["out of date", STALE, FULL], ["absent or lost", TRACKED, 0], ["nothing yet", NOTHING, 0]];

// Draw frames of one state and level from x to right, in the row that begins at y.
function drawStretch(g, state, level, color, x, right, y) {
  const middle = y + ROW / 2;
  g.fillStyle = GROOVE;
  g.fillRect(x, middle - BAR / 2, right - x, BAR);
  if (state === NOTHING) return;
  g.fillStyle = g.strokeStyle = color;
  if (!level) {
    g.globalAlpha = state === STALE ? 0.4 : 1;
    g.fillRect(x, middle - LINE / 2, right - x, LINE);
  } else if (state === STALE) {
    g.save();
    g.beginPath();
    g.rect(x, middle - BAR / 2, right - x, BAR);
    g.clip();
    g.globalAlpha = 0.25;
    g.fillRect(x, middle - BAR / 2, right - x, BAR);
    g.globalAlpha = 0.8;
    g.lineWidth = 1.2;
    g.beginPath();
    for (let at = Math.floor(x / 5) * 5 - BAR; at < right; at += 5) { // on one grid, so that neighbouring stretches continue each other
      g.moveTo(at, middle + BAR / 2);
      g.lineTo(at + BAR, middle - BAR / 2);
    }
    g.stroke();
    g.restore();
  } else {
    const height = state === MARKED ? TALL : BAR;
    g.globalAlpha = 0.2 + 0.8 * level / FULL;
    g.fillRect(x, middle - height / 2, right - x, height);
  }
  g.globalAlpha = 1;
}

// Give a canvas this size in pixels of the page and return what draws on it.
function prepare(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.height = `${height}px`;
  const g = canvas.getContext("2d");
  g.scale(canvas.width / Math.max(1, width), ratio);
  return g;
}

function render({ model, el }) {
  const make = (parent, name, tag = "div") => {
    const made = document.createElement(tag);
    made.className = name;
    parent.append(made);
    return made;
  };
  const box = make(el, "tinytrack-timeline");
  const area = make(box, "tinytrack-timeline-rows");
  const names = make(area, "tinytrack-timeline-names");
  const track = make(area, "tinytrack-timeline-track");
  const canvas = make(track, "", "canvas");
  const now = make(track, "tinytrack-timeline-now");
  const legend = make(box, "tinytrack-timeline-legend");
  area.setAttribute("role", "img");
  legend.setAttribute("aria-hidden", "true"); // the label says all this in words
  for (const [text, state, level] of LEGEND) {
    const item = make(legend, "", "span"), swatch = make(item, "", "canvas");
    swatch.style.width = "14px";
    drawStretch(prepare(swatch, 14, ROW), state, level, "rgb(125,135,150)", 0, 14, 0);
    item.append(text);
  }

  function draw() {
    const rows = model.get("rows"), count = model.get("count"), width = track.clientWidth, view = model.get("cells");
    const cells = new Uint8Array(view.buffer || view, view.byteOffset || 0, view.byteLength);
    const g = prepare(canvas, width, ROW * rows.length), end = frame => Math.round((width * frame) / count);
    if (cells.length !== rows.length * count) return; // the rest of the change is still on its way
    rows.forEach(([, color], row) => {
      const code = frame => cells[row * count + frame], marked = [];
      for (let first = 0, after; first < count; first = after) { // equal neighbours are drawn as one stretch, without seams
        for (after = first + 1; after < count && code(after) === code(first);) after++;
        const state = code(first) >> 4, level = code(first) & 15;
        drawStretch(g, state === MARKED && level ? NOTHING : state, level, color, end(first), end(after), row * ROW);
        if (state === MARKED && level) marked.push([level, first, after]);
      }
      for (const [level, first, after] of marked) { // on top, because they may be wider than their frame
        const more = Math.max(0, WIDE - (end(after) - end(first))) / 2;
        const x = Math.min(Math.max(0, Math.round(end(first) - more)), width - WIDE);
        drawStretch(g, MARKED, level, color, x, Math.max(x + WIDE, end(after)), row * ROW);
      }
    });
  }
  function move(frame) {
    now.style.left = `${(100 * (frame + 0.5)) / Math.max(1, model.get("count"))}%`;
  }
  function look() {
    const rows = model.get("rows");
    box.hidden = !rows.length;
    box.dataset.rows = rows.length;
    area.setAttribute("aria-label", model.get("label"));
    names.replaceChildren();
    for (const [name] of rows) Object.assign(make(names, ""), { textContent: name, title: name });
    move(model.get("frame"));
    draw();
  }

  // The pointer: one frame is sent at a time; of those that come meanwhile, the last is kept.
  let pressed = false, waiting = false, next = null;
  function tell(frame) {
    move(frame);
    if (waiting) { next = frame; return; }
    waiting = true;
    try {
      model.send({ kind: "frame", frame });
    } catch {
      waiting = false;
      window.dispatchEvent(new CustomEvent("tinytrack-kernel", { detail: "gone" }));
    }
  }
  function answered(message) {
    if (!message?.done) return;
    waiting = false;
    const frame = next;
    next = null;
    if (frame !== null) tell(frame);
  }
  function at(event) {
    const rect = track.getBoundingClientRect(), count = model.get("count");
    return Math.min(Math.max(Math.floor(((event.clientX - rect.left) / rect.width) * count), 0), count - 1);
  }
  const listeners = {
    pointerdown(event) {
      if (event.button || !model.get("count")) return;
      pressed = true;
      track.setPointerCapture(event.pointerId);
      event.preventDefault();
      tell(at(event));
    },
    pointermove(event) {
      track.title = `frame ${at(event)}`;
      if (pressed) tell(at(event));
    },
    pointerup() { pressed = false; },
    pointercancel() { pressed = false; },
  };
  for (const [name, listener] of Object.entries(listeners)) track.addEventListener(name, listener);

  const watched = { rows: look, cells: draw, count: look, label: look, frame: () => pressed || move(model.get("frame")) };
  for (const [name, handler] of Object.entries(watched)) model.on(`change:${name}`, handler);
  model.on("msg:custom", answered);
  const observer = new ResizeObserver(draw);
  observer.observe(track);
  look();
  return () => {
    observer.disconnect();
    for (const [name, handler] of Object.entries(watched)) model.off(`change:${name}`, handler);
    model.off("msg:custom", answered);
  };
}

export default { render };
