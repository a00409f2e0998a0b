// Input on the canvas of the third part: mouse, finger and keyboard become strokes and clicks in pixels of the frame.
'use strict';

tinytrack.listenToStage = (() => {
  const NEAR = 4, FAR = 20;  // pixels that an arrow key moves the cursor, without and with Shift
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  // act: {ready(): whether input counts, paints(): whether a press begins a stroke or is a click,
  //   begin(place), extend(from, to), end(): a stroke; click(place, shift): with Shift or without; hover(place or null): the cursor moved}
  return (canvas, act) => {
    let cursor = null, stroke = null;

    const within = ([x, y]) => [Math.min(canvas.width - 1, Math.max(0, x)), Math.min(canvas.height - 1, Math.max(0, y))];

    const placeOf = event => {
      const box = canvas.getBoundingClientRect();
      const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      return within([share[0] * canvas.width - 0.5, share[1] * canvas.height - 0.5]);
    };

    const move = place => {
      cursor = place;
      act.hover(place);
    };

    canvas.addEventListener('pointerdown', event => {
      if (!act.ready() || !event.isPrimary || event.button) return;  // a second finger doesn't paint
      move(placeOf(event));
      if (!act.paints()) return act.click(cursor, event.shiftKey);
      canvas.setPointerCapture(event.pointerId);
      stroke = event.pointerId;
      act.begin(cursor);
    });

    canvas.addEventListener('pointermove', event => {
      if (!event.isPrimary) return;
      const place = placeOf(event);
      if (stroke === event.pointerId) act.extend(cursor, place);
      move(place);
    });

    for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, () => {
      if (stroke === null) return;
      stroke = null;
      act.end();
    });

    for (const name of ['pointerleave', 'blur']) canvas.addEventListener(name, () => move(null));

    canvas.addEventListener('keydown', event => {
      if (!act.ready() || event.ctrlKey || event.metaKey || event.altKey) return;
      const by = ARROWS[event.key], at = cursor ?? [canvas.width / 2, canvas.height / 2], far = event.shiftKey ? FAR : NEAR;
      if (by) move(within(at.map((value, i) => value + far * by[i])));
      else if (event.key !== ' ' && event.key !== 'Enter') return;
      else if (!act.paints()) act.click(at, event.shiftKey);
      else {
        act.begin(at);
        act.end();
      }
      event.preventDefault();
    });
  };
})();
