// The front end of canvas.Canvas: shows one picture, and reports where a person points, clicks, draws or types. The picture is
// made in Python; only what must follow the hand without delay is drawn here: the brush, the current stroke, the corners of a polygon
// and the crosshair. view.js zooms, polygon.js holds the corners; canvas.py joins the three files, because a widget is one module.

const STEP = 1, LEAP = 10; // pixels of the frame that an arrow key moves the crosshair, without and with Shift
const KEYS = new Set(["z", "Z", ",", ".", "[", "]", "x", "Delete", "Backspace", ..."123456789"]); // passed on to Python
const PATIENCE = 8000; // milliseconds after which a stroke, a click or a key should have been answered
const SLIP = 10; // pixels of the page that a finger may slip while it clicks
const CRISP = 3; // pixels of the page: a pixel of the picture that is zoomed to this size gets sharp edges
const REST = 200; // milliseconds without a change of the picture's size until Python hears of it

function render({ model, el }) {
  const box = document.createElement("div");
  const canvas = document.createElement("canvas"); // the picture
  const glass = document.createElement("canvas"); // an overlay for what is drawn while the hand moves
  box.className = "tinytrack-stage";
  box.append(canvas, glass);
  el.append(box);
  box.setAttribute("data-lm-suppress-shortcuts", "true"); // otherwise JupyterLab would take "x" for "cut this cell"

  let cursor = null; // [x, y] of the crosshair that arrow keys move; (0, 0) is the centre of the top left pixel
  let mouse = null; // the last event of the mouse over the picture
  let stroke = null; // points of the stroke being drawn
  let ghost = null; // the finished stroke or polygon, drawn until the picture that contains it arrives
  let hand = null, finger = false; // the pointer that is pressed: a second finger must not draw along
  let down = false; // it is pressed while there is no brush
  let tap = null; // a finger that may still turn out to be the first of a pinch, before Python hears of it
  let pen = false; // the brush is down, moved by the keyboard
  let waiting = false, next = null; // only one hover or drag is sent at a time; of the later ones, the newest is kept
  let shown = 0, painting = null; // number of the newest picture, and its decoding: pictures may finish decoding out of order

  const size = () => model.get("size");
  const scale = () => (glass.width / size()[0]) * view.zoom; // pixels of the glass that one pixel of the frame takes
  const inks = () => model.get("brush") > 0 && !model.get("polygon"); // the hand draws strokes
  const over = () => mouse && place(mouse); // [x, y] under the mouse
  const here = () => (cursor ||= over() || size().map(n => Math.floor(n / 2))); // the crosshair, which appears if there is none yet

  const view = makeView(box, () => model.get("zoomable"), () => (FINEST * size()[0]) / box.clientWidth, () => { fit(); draw(); });
  const { bar, say } = makeZoomBar(view);
  el.append(bar);
  const near = (p, q) => Math.hypot(p[0] - q[0], p[1] - q[1]) * (canvas.getBoundingClientRect().width / size()[0]) <= NEAR;
  const polygon = makePolygon(near, corners => {
    tell({ kind: "polygon", points: corners });
    ghost = { points: corners, filled: true };
  });

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
    if (message.done === "stroke" || message.done === "polygon") Promise.resolve(painting).then(() => { ghost = null; draw(); });
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

  let resting = 0;
  function fit() {
    const width = `${model.get("width")}px`, [across, high] = size();
    // A picture that grows takes the width of its column, as long as its height leaves some of the window to what is below it.
    box.style.width = model.get("grows") ? `min(100%, max(${width}, ${(70 * across) / high}vh))` : width;
    canvas.style.transform = view.style;
    const rect = box.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    canvas.style.imageRendering = view.zoom > 1 && (view.zoom * rect.width) / canvas.width >= CRISP ? "pixelated" : "auto";
    const w = Math.max(1, Math.round(rect.width * ratio)), h = Math.max(1, Math.round(rect.height * ratio));
    if (glass.width !== w || glass.height !== h) { glass.width = w; glass.height = h; draw(); }
    if (!model.get("zoomable")) return;
    // Python draws dots that do not grow with the picture, so it hears of each new size, once it rests
    say();
    box.dataset.zoom = view.zoom;
    clearTimeout(resting);
    resting = setTimeout(() => {
      const now = (rect.width * view.zoom) / model.get("width");
      if (!rect.width || Math.abs(now / model.get("magnification") - 1) < 0.01) return;
      model.set("magnification", now);
      try { model.save_changes(); } catch { kernel("gone"); }
    }, REST);
  }

  function place(event) {
    const rect = canvas.getBoundingClientRect(), [w, h] = size();
    const x = ((event.clientX - rect.left) / rect.width) * w - 0.5, y = ((event.clientY - rect.top) / rect.height) * h - 0.5;
    if (inks()) return [x, y]; // a stroke outside the picture must not paint along its rim
    return [Math.min(Math.max(x, -0.5), w - 0.5), Math.min(Math.max(y, -0.5), h - 0.5)];
  }

  function draw() {
    const g = glass.getContext("2d"), s = scale(), brush = model.get("brush"), [w, h] = size(), unit = window.devicePixelRatio || 1;
    const at = ([x, y]) => { const [u, v] = view.onto((x + 0.5) / w, (y + 0.5) / h); return [u * glass.width, v * glass.height]; };
    g.clearRect(0, 0, glass.width, glass.height);
    // the strokes, and a polygon that was filled
    for (const { points, filled } of [ghost, stroke && { points: stroke }].filter(Boolean)) {
      g.strokeStyle = g.fillStyle = model.get("ink");
      g.globalAlpha = 0.6;
      g.lineWidth = 2 * brush * s;
      g.lineCap = g.lineJoin = "round";
      g.beginPath();
      points.forEach((p, i) => (i ? g.lineTo(...at(p)) : g.moveTo(...at(p))));
      if (points.length === 1) g.lineTo(...at(points[0]));
      filled ? g.fill("evenodd") : g.stroke();
      g.globalAlpha = 1;
    }
    // the polygon, the outline of the brush, and the crosshair: white on black, visible on any picture
    const focus = document.activeElement === box ? cursor : null, tip = focus || over();
    if (model.get("polygon")) polygon.draw(g, at, unit, model.get("ink"), tip);
    const ring = inks() ? tip : null;
    const lines = (color, width) => {
      g.strokeStyle = color;
      g.lineWidth = width * unit;
      g.beginPath();
      if (ring) { const [x, y] = at(ring); g.moveTo(x + brush * s, y); g.arc(x, y, brush * s, 0, 7); }
      if (focus) {
        const [x, y] = at(focus), arm = 9 * unit;
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
    ghost = { points: stroke };
    stroke = null;
    draw();
  }

  function lift() { if (pen) { pen = false; end(); } } // the brush that the keyboard moves

  // A second finger came: this is a pinch, which leaves no mark.
  function abandon() {
    tap = null;
    if (hand !== null && !pen) stroke = null;
    polygon.cancel();
    if (down) { down = false; tell({ kind: "point", phase: "up", place: over() }); }
    draw();
  }

  function press(p) { down = true; tell({ kind: "point", phase: "down", place: p }); }

  const listeners = {
    pointerdown(event) {
      if (hand !== null && !(finger && event.pointerType === "touch")) return; // a hand that rests on the picture beside the pen
      if (view.pressed(event)) return abandon();
      if (!model.get("active") || event.button) return;
      if (hand !== null) { stroke = null; return draw(); } // a second finger, where it cannot zoom
      lift();
      [hand, finger] = [event.pointerId, event.pointerType === "touch"];
      box.focus({ preventScroll: true });
      cursor = null;
      box.setPointerCapture(event.pointerId);
      event.preventDefault();
      mouse = event;
      if (model.get("polygon")) { polygon.press(over()); draw(); }
      else if (inks()) begin(over());
      else if (finger && model.get("zoomable")) tap = event;
      else press(over());
    },
    pointermove(event) {
      if (view.moved(event)) { mouse = event; return draw(); }
      if (!model.get("active") || (hand !== null && event.pointerId !== hand)) return;
      mouse = event;
      if (tap) {
        if (Math.hypot(event.clientX - tap.clientX, event.clientY - tap.clientY) < SLIP) return;
        press(place(tap));
        tap = null;
      }
      polygon.drag(over());
      const passed = event.getCoalescedEvents?.() || []; // all places since the last event; some browsers list none
      if (stroke && !pen && hand !== null) for (const e of passed.length ? passed : [event]) extend(place(e));
      else if (down) tell({ kind: "point", phase: "drag", place: over() });
      else if (model.get("hover")) tell({ kind: "point", phase: "hover", place: over() });
      if (!stroke) draw();
    },
    pointerup(event) {
      view.released(event);
      if (event.pointerId !== hand) return;
      hand = null;
      if (stroke && !pen) end();
      polygon.lift();
      if (tap) { press(place(tap)); tap = null; }
      if (finger) mouse = null; // nothing hovers any more
      draw();
      if (down) { down = false; tell({ kind: "point", phase: "up", place: place(event) }); }
    },
    pointercancel(event) {
      view.released(event);
      if (event.pointerId !== hand) return;
      hand = null;
      if (stroke && !pen) end();
      polygon.cancel();
      tap = null;
      down = false;
    },
    lostpointercapture(event) { listeners.pointercancel(event); },
    pointerleave() { mouse = null; draw(); },
    focus() { draw(); },
    blur() { lift(); draw(); },
    keydown(event) {
      if (!model.get("active") || event.altKey) return;
      if (event.ctrlKey || event.metaKey) {
        const asked = event.key.toLowerCase() === "y" ? "redo" : event.key.toLowerCase() !== "z" ? null : event.shiftKey ? "redo" : "undo";
        if (!asked) return;
        lift();
        if (asked === "redo" || !polygon.key("z")) tell({ kind: "key", key: asked });
        draw();
        event.preventDefault();
        event.stopPropagation();
        return;
      }
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const [w, h] = size();
      // arrow keys move the crosshair; Enter, Space and the keys for Python act on it
      if (moves[event.key]) {
        const far = event.shiftKey ? LEAP : STEP, [dx, dy] = moves[event.key];
        const [x, y] = here();
        cursor = [Math.min(Math.max(Math.round(x) + far * dx, 0), w - 1), Math.min(Math.max(Math.round(y) + far * dy, 0), h - 1)];
        view.reveal((cursor[0] + 0.5) / w, (cursor[1] + 0.5) / h);
        if (pen) extend(cursor);
        else if (model.get("hover")) tell({ kind: "point", phase: "hover", place: cursor });
      } else if (model.get("zoomable") && /^[-+=0]$/.test(event.key)) {
        const around = cursor || over(); // what the hand is at stays where it is
        if (event.key === "0") view.whole();
        else view.notch(event.key === "-" ? -1 : 1, ...(around ? [(around[0] + 0.5) / w, (around[1] + 0.5) / h] : []));
      } else if (model.get("polygon") && polygon.key(event.key, here)) {
        // the corners have changed
      } else if (event.key === "Enter" && !pen) {
        here();
        if (inks()) { begin(cursor); end(); }
        else { tell({ kind: "point", phase: "down", place: cursor }); tell({ kind: "point", phase: "up", place: cursor }); }
      } else if (event.key === " " && inks() && hand === null) {
        here();
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
    box.style.cursor = !active ? "default" : inks() ? "none" : "crosshair";
    bar.hidden = !model.get("zoomable");
    box.style.touchAction = active ? "none" : model.get("zoomable") ? "pan-x pan-y" : "auto";
    if (!model.get("polygon")) polygon.drop();
    fit();
    draw();
  }

  const fresh = () => { polygon.drop(); view.whole(); look(); }; // another video
  const watched = { data: () => { painting = paint(); }, size: fresh, ink: draw };
  for (const name of ["width", "label", "active", "brush", "polygon", "zoomable", "grows"]) watched[name] = look;
  for (const [name, handler] of Object.entries(watched)) model.on(`change:${name}`, handler);
  model.on("msg:custom", answered);
  const observer = new ResizeObserver(fit);
  observer.observe(box);
  look();
  painting = paint();
  return () => {
    clearTimeout(expected);
    clearTimeout(resting);
    observer.disconnect();
    for (const [name, handler] of Object.entries(watched)) model.off(`change:${name}`, handler);
    model.off("msg:custom", answered);
  };
}

export default { render };
