// Part 1, "Where does this pixel point?": choose a cell of the target frame and see its attention and what it copies.
'use strict';

(() => {
  const $ = id => document.getElementById(`point-${id}`);
  const { make, percent } = tinytrack, pointer = tinytrack.pointer;
  const START = { carphone: { frame: 60, cell: [37, 35] }, bikes: { frame: 136, cell: [60, 18] } };  // where each clip opens
  const TOP = 10;           // top-k at the start, as in the protocol "modern"
  const NETS = ['trained', 'random', 'patches'];
  const RANGE = { window: 40, top: 50 };

  let state = null;         // {clip, frame, cell: [column, row], net, t (null: the net's own temperature), window, top, masks}
  let shown = null;         // the state that the pictures show, which may still be without the latest changes
  let clip = null;          // the open clip: its data, with decoded pictures and arrays
  let held = false;         // whether the cell stays where it is while the mouse moves over the frame
  let loading = 0;          // how many changes wait for data
  const clips = {}, nets = {};

  // ---- data

  // Load a clip once, and decode its pictures and arrays.
  async function openClip(name) {
    if (clips[name]) return clips[name];
    const data = await tinytrack.load(name), [h, w] = data.grid, cells = h * w, classes = data.objects.length;
    const labels = tinytrack.bytes(data.labels), lab = new Int8Array(tinytrack.bytes(data.lab).buffer);
    const images = await Promise.all(data.pictures.map(tinytrack.picture));
    return clips[name] = {
      ...data, name, h, w, cells, classes, images,
      grays: images.map(tinytrack.draw.gray),
      labels: data.frames.map((_, t) => data.labelled[t] ? labels.subarray(t * classes * cells, (t + 1) * classes * cells) : null),
      lab: data.frames.map((_, t) => lab.subarray(3 * t * cells, 3 * (t + 1) * cells)),
    };
  }

  // Load the embeddings of a clip by one network once: {maps: one per frame, temperature}.
  async function openNet(clip, net) {
    const name = `${clip.name}-${net}`;
    if (nets[name]) return nets[name];
    if (net === 'patches') {
      const gray = tinytrack.bytes(clip.gray), H = 4 * clip.h, W = 4 * clip.w;
      const maps = clip.frames.map((_, t) => pointer.patches(gray.subarray(t * H * W, (t + 1) * H * W), H, W));
      return nets[name] = { maps, temperature: clip.patchTemperature };
    }
    const stored = await tinytrack.load(name);
    return nets[name] = { maps: pointer.embeddings(stored, clip.frames.length, clip.cells), temperature: stored.temperature };
  }

  // ---- what the pointer answers

  const current = () => nets[`${clip.name}-${state.net}`];
  const temperature = () => state.t ?? current().temperature;

  // The attention of the chosen cell in all frames before the target, and what it copies from there.
  function answer() {
    const at = clip.frames.indexOf(state.frame), references = clip.frames.map((_, t) => t).slice(0, at);
    const [column, row] = state.cell, { h, w, cells } = clip, maps = current().maps;
    const options = { h, w, column, row, temperature: temperature(), radius: state.window, topK: state.top };
    const weights = pointer.attention(maps[at], references.map(t => maps[t]), options);
    const { shares, known } = pointer.copyLabels(weights, references.map(t => clip.labels[t]), cells, clip.classes);
    const ab = pointer.copyColor(weights, references.map(t => clip.lab[t]), cells);
    const truth = clip.lab[at].subarray(3 * (row * w + column), 3 * (row * w + column) + 3);
    const strongest = weights.slice().sort().reverse();
    return {
      at, references, weights, shares, known, ab, truth,
      perFrame: references.map((_, r) => weights.subarray(r * cells, (r + 1) * cells).reduce((a, b) => a + b, 0)),
      peak: strongest[0], ten: strongest.slice(0, 10).reduce((a, b) => a + b, 0),
    };
  }

  // ---- show it

  function render() {
    const found = answer(), { h, w } = clip, [column, row] = state.cell;
    tinytrack.draw.target($('target'), clip.images[found.at], { h, w, column, row, held });
    const r = state.window;
    const box = r ? [Math.max(0, column - r), Math.max(0, row - r), Math.min(w - 1, column + r), Math.min(h - 1, row + r)] : null;
    found.references.forEach((t, i) => {
      const panel = $('references').children[i], weights = found.weights.subarray(i * clip.cells, (i + 1) * clip.cells);
      const outlines = state.masks && clip.labels[t] ? clip.outlines[t] : null;
      tinytrack.draw.reference(panel.firstChild, clip.grays[t], { h, w, weights, peak: found.peak, box, outlines, colors: clip.colors });
      panel.lastChild.textContent = `frame ${clip.frames[t]}: ${percent(found.perFrame[i])}${clip.labels[t] ? '' : ' (no mask)'}`;
      panel.firstChild.setAttribute('aria-label', `Reference frame ${clip.frames[t]}: ${percent(found.perFrame[i])} of the attention`);
    });
    tell(found);
    shown = { ...state };
    tinytrack.point = { ...found, state: shown };  // for tests and for the console
    tinytrack.remember('point');
  }

  // Say what the cell copies.
  function tell({ shares, known, ab, truth, peak, ten }) {
    const order = [...shares.keys()].filter(c => shares[c] >= 0.005).sort((a, b) => shares[b] - shares[a]);
    const words = order.map(c => `${clip.objects[c]} ${percent(shares[c])}`).join(', ');
    const label = known < 0.005 ? 'none, because it points at a frame without a mask' : words;
    $('label').textContent = label;
    $('bar').replaceChildren(...order.map(c => make('span', {
      title: clip.objects[c],
      style: `flex: ${shares[c]}; background: ${c ? tinytrack.color.css(clip.colors[c - 1]) : 'var(--faint)'}`,
    })));
    const off = Math.hypot(ab[0] - truth[1], ab[1] - truth[2]);
    $('copied').style.background = tinytrack.color.fromLab([truth[0], ...ab]);
    $('true').style.background = tinytrack.color.fromLab(truth);
    $('off').textContent = `${off.toFixed(1)} Lab units apart`;
    $('spread').textContent = `The strongest cell has ${percent(peak)} of the attention, and the ten strongest have ${percent(ten)}.`;
    $('where').textContent = `Frame ${state.frame}, column ${state.cell[0]}, row ${state.cell[1]}${held ? ' (held)' : ''}`;
    announce(`Column ${state.cell[0]}, row ${state.cell[1]}. Copied label: ${label}.`);
  }

  const announce = tinytrack.later(400, text => { $('live').textContent = text; });  // not at every movement of the mouse

  // Make the controls agree with the state.
  function settle() {
    for (const input of document.querySelectorAll('[name=point-clip]')) input.checked = input.value === state.clip;
    for (const input of document.querySelectorAll('[name=point-net]')) input.checked = input.value === state.net;
    $('frame').replaceChildren(...clip.frames.slice(1).map(t => make('option', { value: t, textContent: t, selected: t === state.frame })));
    $('t').value = Math.log10(temperature());
    $('t-value').textContent = +temperature().toPrecision(2) + (state.t === null ? ' (its own)' : '');
    $('t-own').disabled = state.t === null;
    $('window').value = state.window;
    $('window-value').textContent = state.window ? `±${state.window} cells` : 'off';
    $('top').value = state.top;
    $('top-value').textContent = state.top || 'off';
    $('masks').checked = state.masks;
    const count = clip.frames.indexOf(state.frame), [height, width] = clip.size, scale = width < 300 ? 3 : 1;
    $('target').width = width * scale;
    $('target').height = height * scale;
    $('target').setAttribute('aria-label', `Target frame ${state.frame}: ${clip.about}. Choose a cell with the arrow keys.`);
    $('references').classList.toggle('wide', width > 1.5 * height);
    $('references').replaceChildren(...Array.from({ length: count }, () => {
      const canvas = make('canvas', { width: width * scale, height: height * scale });
      canvas.setAttribute('role', 'img');
      return make('figure', {}, canvas, make('figcaption'));
    }));
    clip.outlines ??= clip.labels.map(maps => maps && Uint8Array.from({ length: clip.cells }, (_, i) => {
      let best = 0;
      for (let c = 1; c < clip.classes; c++) if (maps[c * clip.cells + i] > maps[best * clip.cells + i]) best = c;
      return best;
    }));
  }

  // Change a part of the state, load what it needs, and show it.
  async function change(changes) {
    Object.assign(state, changes);
    loading++;
    try {
      await openNet(await openClip(state.clip), state.net);
    } catch (error) {
      if (shown) state = { ...shown };
      throw error;
    } finally {
      loading--;
    }
    // the last change to get its data shows the state, which by then has all changes in it
    if (loading) return;
    clip = clips[state.clip];
    state.cell = [Math.min(clip.w - 1, state.cell[0]), Math.min(clip.h - 1, state.cell[1])];
    settle();
    render();
  }

  const attempt = changes => tinytrack.attempt(() => change(changes));

  // ---- input

  function cellAt(event) {
    const box = $('target').getBoundingClientRect();
    const place = (share, n) => Math.min(n - 1, Math.max(0, Math.floor(share * n)));
    return [place((event.clientX - box.left) / box.width, clip.w), place((event.clientY - box.top) / box.height, clip.h)];
  }

  function move(cell) {
    state.cell = cell;
    if (!loading && shown) render();
  }

  function listen() {
    const target = $('target');
    target.addEventListener('pointerenter', event => { if (event.pointerType === 'mouse') held = false; });
    target.addEventListener('pointermove', event => {
      if (event.pointerType === 'mouse' ? !held : event.buttons) move(cellAt(event));
    });
    target.addEventListener('pointerdown', event => {
      held = event.pointerType === 'mouse' && !held;
      move(cellAt(event));
    });
    target.addEventListener('keydown', event => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!by) return;
      event.preventDefault();
      const step = event.shiftKey ? 5 : 1, sides = [clip.w, clip.h];
      held = true;  // so that a mouse that happens to be there does not take over
      move(state.cell.map((value, i) => Math.min(sides[i] - 1, Math.max(0, value + step * by[i]))));
    });
    for (const input of document.querySelectorAll('[name=point-clip]'))
      input.addEventListener('change', () => attempt({ clip: input.value, ...START[input.value] }));
    for (const input of document.querySelectorAll('[name=point-net]'))
      input.addEventListener('change', () => attempt({ net: input.value, t: null }));
    $('frame').addEventListener('change', () => attempt({ frame: Number($('frame').value) }));
    $('t').addEventListener('input', () => attempt({ t: +(10 ** $('t').value).toPrecision(2) }));
    $('t-own').addEventListener('click', () => attempt({ t: null }));
    $('window').addEventListener('input', () => attempt({ window: Number($('window').value) }));
    $('top').addEventListener('input', () => attempt({ top: Number($('top').value) }));
    $('masks').addEventListener('change', () => attempt({ masks: $('masks').checked }));
  }

  // ---- the part

  // Read the state from an address; what it leaves out, or what makes no sense, is as at the start.
  function parse(params, frames) {
    const clip = Object.hasOwn(START, params.clip) ? params.clip : 'carphone', start = START[clip];
    const whole = (text, most, otherwise) => /^\d{1,4}$/.test(text) ? Math.min(most, Number(text)) : otherwise;
    const cell = /^\d{1,4},\d{1,4}$/.test(params.cell) ? params.cell.split(',').map(Number) : start.cell;
    const t = Number(params.t) > 0 && Number(params.t) <= 10 ? Math.max(1e-4, Number(params.t)) : null;
    const frame = frames(clip).slice(1).includes(Number(params.frame)) ? Number(params.frame) : start.frame;
    const net = NETS.includes(params.net) ? params.net : 'trained';
    const window = whole(params.window, RANGE.window, 0), top = whole(params.top, RANGE.top, TOP);
    return { clip, frame, cell, net, t, window, top, masks: params.masks === '1' };
  }

  tinytrack.parts.point = {
    async open(params) {
      if (shown && !Object.keys(params).length) return render();
      await openClip(Object.hasOwn(START, params.clip) ? params.clip : 'carphone');
      if (!state) listen();
      held = false;
      state = parse(params, name => clips[name].frames);
      await change({});
    },
    params() {
      const { clip, frame, cell, net, t, window, top, masks } = state;
      return { clip, frame, cell: cell.join(','), net, ...(t === null ? {} : { t }), window, top, masks: masks ? 1 : 0 };
    },
  };
})();
