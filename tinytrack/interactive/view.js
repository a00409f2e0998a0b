// The part of a picture that a canvas shows: zoom and pan, by wheel, fingers, mouse and buttons. canvas.py joins it with canvas.js.

const FINEST = 32; // pixels of the page that one pixel of the frame takes at most
const NOTCH = 1.5; // factor of one press of a key or a button
const MARGIN = 0.08; // share of the box that the crosshair keeps from its rim

// box: the element that shows the picture; enabled(): whether it can be zoomed; finest(): the largest zoom; changed(): called afterwards.
function makeView(box, enabled, finest, changed) {
  let zoom = 1, left = 0, top = 0; // the visible part begins at these shares of the picture, whatever its size on the page
  const fingers = new Map(); // [x, y] on the page of each finger on the picture, by the number of its pointer
  let drag = null; // the pointer of the mouse that moves the picture, and where it was last

  const between = (value, low, high) => Math.min(Math.max(value, low), high);
  function set(wanted, x, y) {
    zoom = between(wanted, 1, Math.max(1, finest()));
    left = between(x, 0, 1 - 1 / zoom);
    top = between(y, 0, 1 - 1 / zoom);
    changed();
  }
  // Zoom so that the place [u, v] of the box (in shares of it) keeps showing the same place of the picture.
  function zoomAt(wanted, u = 0.5, v = 0.5) {
    const next = between(wanted, 1, Math.max(1, finest()));
    set(next, left + u / zoom - u / next, top + v / zoom - v / next);
  }
  const move = (du, dv) => set(zoom, left - du / zoom, top - dv / zoom); // by shares of the box

  function shares(x, y) {
    const rect = box.getBoundingClientRect();
    return [(x - rect.left) / rect.width, (y - rect.top) / rect.height];
  }
  function pinch(before, now) {
    const middle = ([a, b]) => shares((a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    const apart = ([a, b]) => Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1);
    const [u, v] = middle(before), [x, y] = middle(now);
    move(x - u, y - v);
    zoomAt((zoom * apart(now)) / apart(before), x, y);
  }

  box.addEventListener("wheel", event => {
    if (!event.ctrlKey || !enabled()) return; // without Ctrl, the wheel scrolls the page
    event.preventDefault();
    const turned = event.deltaY * (event.deltaMode ? 30 : 1); // some browsers count lines
    zoomAt(zoom * Math.exp(-between(turned, -50, 50) / 100), ...shares(event.clientX, event.clientY));
  }, { passive: false });
  // otherwise the middle button would start to scroll the page
  box.addEventListener("mousedown", event => { if (event.button === 1 && enabled()) event.preventDefault(); });

  return {
    get zoom() { return zoom; },
    get style() { return zoom === 1 ? "" : `translate(${-100 * left * zoom}%, ${-100 * top * zoom}%) scale(${zoom})`; },
    onto: (u, v) => [(u - left) * zoom, (v - top) * zoom], // shares of the picture -> shares of the box
    whole() { set(1, 0, 0); },
    // Zoom in or out by one notch around a place of the picture; by default, around the middle of what is shown.
    notch(direction, u = left + 0.5 / zoom, v = top + 0.5 / zoom) {
      const [x, y] = this.onto(u, v);
      zoomAt(zoom * NOTCH ** direction, between(x, 0, 1), between(y, 0, 1));
    },
    // Move no further than necessary to show a place of the picture.
    reveal(u, v) {
      const [x, y] = this.onto(u, v);
      const [du, dv] = [between(x, MARGIN, 1 - MARGIN) - x, between(y, MARGIN, 1 - MARGIN) - y];
      if (du || dv) move(du, dv);
    },
    // The following tell whether the event zooms or pans; then it must not draw.
    pressed(event) {
      if (!enabled()) return false;
      if (event.pointerType === "touch") {
        if (event.isPrimary) fingers.clear(); // the only one, even if the end of an earlier one was missed
        fingers.set(event.pointerId, [event.clientX, event.clientY]);
        return fingers.size > 1;
      }
      if (event.button !== 1 && (event.button || !event.shiftKey)) return false;
      event.preventDefault();
      box.setPointerCapture(event.pointerId);
      box.classList.add("tinytrack-moved");
      drag = { id: event.pointerId, at: shares(event.clientX, event.clientY) };
      return true;
    },
    moved(event) {
      if (drag?.id === event.pointerId) {
        const [x, y] = shares(event.clientX, event.clientY), [u, v] = drag.at;
        drag.at = [x, y];
        move(x - u, y - v);
        return true;
      }
      if (!fingers.has(event.pointerId)) return false;
      const before = [...fingers.values()];
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      if (fingers.size < 2) return false;
      pinch(before, [...fingers.values()]);
      return true;
    },
    released(event) {
      fingers.delete(event.pointerId);
      if (drag?.id !== event.pointerId) return;
      drag = null;
      box.classList.remove("tinytrack-moved");
    },
  };
}

// Buttons for people without wheel, and the zoom in words.
function makeZoomBar(view) {
  const bar = document.createElement("div"), said = document.createElement("span");
  bar.className = "tinytrack-zoom";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "zoom");
  const buttons = [
    ["+", "Zoom in (key +, or Ctrl and the wheel, or two fingers)", () => view.notch(1)],
    ["\u2212", "Zoom out (key -)", () => view.notch(-1)],
    ["whole picture", "Show the whole picture (key 0)", () => view.whole()],
  ];
  for (const [text, tip, action] of buttons) {
    const button = document.createElement("button");
    button.className = "jupyter-button";
    button.type = "button";
    [button.textContent, button.title] = [text, tip];
    if (text.length === 1) button.setAttribute("aria-label", tip.split(" (")[0]);
    button.addEventListener("click", action);
    bar.append(button);
  }
  said.setAttribute("aria-live", "polite");
  bar.append(said);
  function say() {
    const text = view.zoom === 1 ? "" : `${view.zoom.toFixed(1)}\u00d7`;
    if (said.textContent !== text) said.textContent = text; // screen readers would read the same text again
  }
  return { bar, say };
}
