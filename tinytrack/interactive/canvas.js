// The front end of canvas.Canvas: shows one picture, and reports where a person points, clicks, draws or types. The picture is
// made in Python; only what must follow the hand without delay is drawn here: the brush, the current stroke and the crosshair.

const STEP = 1, LEAP = 10; // pixels of the frame that an arrow key moves the crosshair, without and with Shift
const KEYS = new Set(["z", "Z", ",", ".", "[", "]", "x", "Delete", "Backspace", ..."123456789"]); // passed on to Python
const PATIENCE = 8000; // milliseconds after which a stroke, a click or a key should have been answered

function render({ model, el }) {
  const box = document.createElement("div");
  const canvas = document.createElement("canvas"); // the picture
  const glass = document.createElement("canvas"); // an overlay for what is drawn while the hand moves
  box.className = "tinytrack-stage";
  box.append(canvas, glass);
  el.append(box);
  box.setAttribute("data-lm-suppress-shortcuts", "true"); // otherwise JupyterLab would take "x" for "cut this cell"

  let cursor = null; // [x, y] of the crosshair that arrow keys move; (0, 0) is the centre of the top left pixel
  let over = null; // [x, y] under the mouse
  let stroke = null; // points of the stroke being drawn
  let ghost = null; // the finished stroke, drawn until the picture that contains it arrives
  let hand = null, finger = false; // the pointer that is pressed: a second finger must not draw along
  let down = false; // it is pressed while there is no brush
  let pen = false; // the brush is down, moved by the keyboard
  let waiting = false, next = null; // only one hover or drag is sent at a time; of the later ones, the newest is kept
  let shown = 0, painting = null; // number of the newest picture, and its decoding: pictures may finish decoding out of order

  const size = () => model.get("size");
  const scale = () => glass.width / size()[0];

  // Tell the page how Python is (access.js shows a banner): "late" if it does not answer, "gone" if nothing can be sent to it any more.
  let expected = 0;
  const kernel = state => window.dispatchEvent(new CustomEvent("tinytrack-kernel", { detail: state }));
  function send(message) {
    try { model.send(message); } catch { return kernel("gone"); }
    if (message.kind !== "painted") expected ||= setTimeout(() => kernel("late"), PATIENCE);
  }
  function tell(message) {
    if (message.phase === "hover" || message.phase === "drag") {
      if (waiting) { next = message; return; }
      waiting = true;
    } else next = null; // an old position must not arrive after a click
    send(message);
  }
  function answered(message) {
    if (message?.mark) Promise.resolve(painting).then(() => send({ kind: "painted", mark: message.mark }));
    if (message?.done === undefined) return;
    clearTimeout(expected);
    expected = 0;
    kernel("well");
    if (message.done === "stroke") Promise.resolve(painting).then(() => { ghost = null; draw(); });
    if (message.done !== "hover" && message.done !== "drag") return;
    waiting = false;
    if (next) { const message = next; next = null; tell(message); }
  }

  async function paint() {
    const data = model.get("data"), turn = ++shown;
    if (!data || !data.byteLength) return;
    const bitmap = await createImageBitmap(new Blob([data]));
    if (turn !== shown) return; // a newer picture has arrived meanwhile
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    box.dataset.painted = Number(box.dataset.painted || 0) + 1;
    box.dataset.paintedAt = performance.now();
    fit();
    draw();
  }

  function fit() {
    box.style.width = `${model.get("width")}px`;
    const rect = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    const w = Math.max(1, Math.round(rect.width * ratio)), h = Math.max(1, Math.round(rect.height * ratio));
    if (glass.width !== w || glass.height !== h) { glass.width = w; glass.height = h; draw(); }
  }

  function place(event) {
    const rect = canvas.getBoundingClientRect(), [w, h] = size();
    const x = ((event.clientX - rect.left) / rect.width) * w - 0.5, y = ((event.clientY - rect.top) / rect.height) * h - 0.5;
    if (model.get("brush") > 0) return [x, y]; // a stroke outside the picture must not paint along its rim
    return [Math.min(Math.max(x, -0.5), w - 0.5), Math.min(Math.max(y, -0.5), h - 0.5)];
  }

  function draw() {
    const g = glass.getContext("2d"), s = scale(), brush = model.get("brush");
    const at = ([x, y]) => [(x + 0.5) * s, (y + 0.5) * s];
    g.clearRect(0, 0, glass.width, glass.height);
    // the strokes
    for (const line of [ghost, stroke]) {
      if (!line) continue;
      g.strokeStyle = g.fillStyle = model.get("ink");
      g.globalAlpha = 0.6;
      g.lineWidth = 2 * brush * s;
      g.lineCap = g.lineJoin = "round";
      g.beginPath();
      line.forEach((p, i) => (i ? g.lineTo(...at(p)) : g.moveTo(...at(p))));
      if (line.length === 1) g.lineTo(...at(line[0]));
      g.stroke();
      g.globalAlpha = 1;
    }
    // the outline of the brush, and the crosshair: white on black, visible on any picture
    const focus = document.activeElement === box ? cursor : null;
    const ring = brush > 0 ? focus || over : null;
    const lines = (color, width) => {
      g.strokeStyle = color;
      g.lineWidth = width * (window.devicePixelRatio || 1);
      g.beginPath();
      if (ring) { const [x, y] = at(ring); g.moveTo(x + brush * s, y); g.arc(x, y, brush * s, 0, 7); }
      if (focus) {
        const [x, y] = at(focus), arm = 9 * (window.devicePixelRatio || 1);
        g.moveTo(x - arm, y); g.lineTo(x + arm, y); g.moveTo(x, y - arm); g.lineTo(x, y + arm);
      }
      g.stroke();
    };
    lines("black", 3);
    lines("white", 1.2);
  }

  function begin(p) { stroke = [p]; draw(); }
  function extend(p) { stroke.push(p); draw(); }
  function end() {
    tell({ kind: "stroke", points: stroke });
    ghost = stroke;
    stroke = null;
    draw();
  }

  function lift() { if (pen) { pen = false; end(); } } // the brush that the keyboard moves

  const listeners = {
    pointerdown(event) {
      if (!model.get("active") || event.button) return;
      if (hand !== null) { // a second finger: this is a pinch, and no stroke
        if (finger && event.pointerType === "touch" && stroke) { stroke = null; draw(); }
        return;
      }
      lift();
      [hand, finger] = [event.pointerId, event.pointerType === "touch"];
      box.focus({ preventScroll: true });
      cursor = null;
      box.setPointerCapture(event.pointerId);
      event.preventDefault();
      if (model.get("brush") > 0) return begin(place(event));
      down = true;
      tell({ kind: "point", phase: "down", place: place(event) });
    },
    pointermove(event) {
      if (!model.get("active") || (hand !== null && event.pointerId !== hand)) return;
      over = place(event);
      const passed = event.getCoalescedEvents?.() || []; // all places since the last event; some browsers list none
      if (stroke && !pen && hand !== null) for (const e of passed.length ? passed : [event]) extend(place(e));
      else if (down) tell({ kind: "point", phase: "drag", place: over });
      else if (model.get("hover")) tell({ kind: "point", phase: "hover", place: over });
      if (!stroke) draw();
    },
    pointerup(event) {
      if (event.pointerId !== hand) return;
      hand = null;
      if (stroke && !pen) end();
      if (down) { down = false; tell({ kind: "point", phase: "up", place: place(event) }); }
    },
    pointercancel(event) {
      if (event.pointerId !== hand) return;
      hand = null;
      if (stroke && !pen) end();
      down = false;
    },
    lostpointercapture(event) { listeners.pointercancel(event); },
    pointerleave() { over = null; draw(); },
    focus() { draw(); },
    blur() { lift(); draw(); },
    keydown(event) {
      if (!model.get("active") || event.altKey) return;
      if (event.ctrlKey || event.metaKey) {
        const asked = event.key.toLowerCase() === "y" ? "redo" : event.key.toLowerCase() !== "z" ? null : event.shiftKey ? "redo" : "undo";
        if (!asked) return;
        lift();
        tell({ kind: "key", key: asked });
        event.preventDefault();
        event.stopPropagation();
        return;
      }
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const [w, h] = size(), brush = model.get("brush");
      // arrow keys move the crosshair; Enter, Space and the keys for Python act on it
      if (moves[event.key]) {
        const far = event.shiftKey ? LEAP : STEP, [dx, dy] = moves[event.key];
        const [x, y] = cursor || over || [Math.floor(w / 2), Math.floor(h / 2)];
        cursor = [Math.min(Math.max(Math.round(x) + far * dx, 0), w - 1), Math.min(Math.max(Math.round(y) + far * dy, 0), h - 1)];
        if (pen) extend(cursor);
        else if (model.get("hover")) tell({ kind: "point", phase: "hover", place: cursor });
      } else if (event.key === "Enter" && !pen) {
        cursor = cursor || over || [Math.floor(w / 2), Math.floor(h / 2)];
        if (brush > 0) { begin(cursor); end(); }
        else { tell({ kind: "point", phase: "down", place: cursor }); tell({ kind: "point", phase: "up", place: cursor }); }
      } else if (event.key === " " && brush > 0 && hand === null) {
        cursor = cursor || over || [Math.floor(w / 2), Math.floor(h / 2)];
        pen = !pen;
        pen ? begin(cursor) : end();
      } else if (KEYS.has(event.key)) {
        if (/^[,.1-9]$/.test(event.key)) lift(); // a stroke belongs to the frame and the object with which it began
        tell({ kind: "key", key: event.key });
      }
      else return;
      // the key was used here, so the page must not see it
      event.preventDefault();
      event.stopPropagation();
      if (!stroke || pen) draw();
    },
  };
  for (const [name, listener] of Object.entries(listeners)) box.addEventListener(name, listener);

  function look() {
    const active = model.get("active");
    box.setAttribute("aria-label", model.get("label"));
    box.setAttribute("role", active ? "application" : "img");
    active ? box.setAttribute("tabindex", "0") : box.removeAttribute("tabindex");
    box.style.cursor = !active ? "default" : model.get("brush") > 0 ? "none" : "crosshair";
    box.style.touchAction = active ? "none" : "auto";
    fit();
    draw();
  }

  const watched = { data: () => { painting = paint(); }, size: look, width: look, label: look, active: look, brush: look, ink: draw };
  for (const [name, handler] of Object.entries(watched)) model.on(`change:${name}`, handler);
  model.on("msg:custom", answered);
  const observer = new ResizeObserver(fit);
  observer.observe(box);
  look();
  painting = paint();
  return () => {
    clearTimeout(expected);
    observer.disconnect();
    for (const [name, handler] of Object.entries(watched)) model.off(`change:${name}`, handler);
    model.off("msg:custom", answered);
  };
}

export default { render };
