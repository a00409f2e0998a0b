// A small line chart in SVG that fits the width of its place.
'use strict';

tinytrack.chart = (() => {
  const NS = 'http://www.w3.org/2000/svg', HEIGHT = 250, EDGE = { left: 44, right: 14, top: 14, bottom: 40 };

  function node(tag, properties, text) {
    const element = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // Draw into an element, and again whenever its width changes. Returns a function that marks one step.
  //   series: [{name, kind, points: [[x, y], ...], dots}]; levels: [{name, kind, value}]; kind: a CSS class that sets the colour
  //   x: [label, ticks], steps on a logarithmic axis that has room for 0; y: [label, ticks]
  function chart(place, { title, x, y, series, levels, choose }) {
    let marked = 0;
    const low = y[1][0], high = y[1].at(-1), far = Math.log10(1 + x[1].at(-1));
    function draw() {
      const width = place.clientWidth;
      if (!width) return;
      const right = width - EDGE.right, bottom = HEIGHT - EDGE.bottom;
      const px = value => EDGE.left + (right - EDGE.left) * Math.log10(1 + value) / far;
      const py = value => bottom - (bottom - EDGE.top) * (value - low) / (high - low);
      const svg = node('svg', { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': title });
      // axes
      for (const tick of y[1]) {
        svg.append(node('line', { class: 'grid', x1: EDGE.left, x2: right, y1: py(tick), y2: py(tick) }));
        svg.append(node('text', { x: EDGE.left - 6, y: py(tick) + 4, 'text-anchor': 'end' }, tick));
      }
      for (const tick of x[1]) svg.append(node('text', { x: px(tick), y: bottom + 16, 'text-anchor': 'middle' }, tick));
      svg.append(node('text', { x: (EDGE.left + right) / 2, y: HEIGHT - 6, 'text-anchor': 'middle' }, x[0]));
      svg.append(node('text', { x: -(EDGE.top + bottom) / 2, y: 12, transform: 'rotate(-90)', 'text-anchor': 'middle' }, y[0]));
      // the step that is shown, levels, curves
      svg.append(node('line', { class: 'marked', x1: px(marked), x2: px(marked), y1: EDGE.top, y2: bottom }));
      for (const { kind, value } of levels)
        svg.append(node('line', { class: `level ${kind}`, x1: EDGE.left, x2: right, y1: py(value), y2: py(value) }));
      for (const { kind, points, dots } of series) {
        svg.append(node('polyline', { class: `curve ${kind}`, points: points.map(([a, b]) => `${px(a)},${py(b)}`).join(' ') }));
        for (const [a, b] of dots ? points : [])
          svg.append(node('circle', { class: `dot ${kind}`, cx: px(a), cy: py(b), r: a === marked ? 6 : 3.5 }));
      }
      // a click chooses the nearest step
      svg.addEventListener('click', event => {
        const at = event.clientX - svg.getBoundingClientRect().left;
        choose(value => Math.abs(px(value) - at));
      });
      place.replaceChildren(svg, legend());
    }
    function legend() {
      const items = [...series.map(item => ['curve', item]), ...levels.map(item => ['level', item])];
      return tinytrack.make('ul', { className: 'legend' }, ...items.map(([shape, { name, kind }]) =>
        tinytrack.make('li', {}, tinytrack.make('span', { className: `${shape} ${kind}` }), name)));
    }
    new ResizeObserver(draw).observe(place);
    return step => { marked = step; draw(); };
  }

  return chart;
})();
