// The polygon tool of a canvas: corners that are set one after the other. canvas.py joins it with canvas.js.

const NEAR = 9; // pixels of the page: a click this close to a corner means that corner

// near(p, q): whether two places of the frame are that close; closed(corners): called with the corners of a finished polygon.
function makePolygon(near, closed) {
  let corners = [], held = false; // [x, y] in pixels of the frame; whether the last one is being pressed

  function close() {
    if (corners.length < 3) return;
    const done = corners;
    corners = [];
    closed(done);
  }
  const tool = {
    get open() { return corners.length > 0; },
    press(p) { corners.push(p); held = true; },
    drag(p) { if (held) corners[corners.length - 1] = p; },
    // The first corner closes the polygon, and so does the last one, which a double-click presses twice.
    lift() {
      if (!held) return;
      held = false;
      const last = corners.at(-1), before = corners.slice(0, -1);
      if (!before.length || !(near(last, before[0]) || near(last, before.at(-1)))) return;
      corners = before;
      close();
    },
    // A corner that was pressed by the first finger of a pinch.
    cancel() { if (held) { corners.pop(); held = false; } },
    drop() { corners = []; held = false; },
    // Tell whether a key means something to the polygon; here() is where the crosshair is.
    key(key, here) {
      if (held) return false;
      if (key === " ") { tool.press(here()); tool.lift(); return true; }
      if (key === "Enter") { close(); return true; }
      if (!corners.length) return false;
      if (key === "Escape") tool.drop();
      else if (["Backspace", "z", "Z"].includes(key)) corners.pop(); // a corner is undone before the mark that was made before it
      else return false;
      return true;
    },
    // g: what to draw on; at: a place of the frame -> a place on it; unit: a pixel of the page; tip: the place of the pointer or null.
    draw(g, at, unit, ink, tip) {
      if (!corners.length) return;
      const path = [...corners, ...(tip && !held ? [tip] : [])].map(at);
      const trace = () => { g.beginPath(); path.forEach((p, i) => (i ? g.lineTo(...p) : g.moveTo(...p))); };
      trace();
      [g.fillStyle, g.globalAlpha] = [ink, 0.35];
      g.fill("evenodd");
      g.globalAlpha = 1;
      for (const [color, width] of [["black", 3], ["white", 1.2]]) { // visible on any picture
        [g.strokeStyle, g.lineWidth] = [color, width * unit];
        trace();
        g.stroke();
        for (const [i, p] of corners.entries()) {
          const [x, y] = at(p), side = (i ? 2.5 : NEAR / 2) * unit; // the first one is large, because a click on it closes
          g.strokeRect(x - side, y - side, 2 * side, 2 * side);
        }
      }
    },
  };
  return tool;
}
