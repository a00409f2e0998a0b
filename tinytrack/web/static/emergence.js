// Part 2, "Watch tracking emerge": go through the checkpoints of a training run, and see what each of them propagates.
'use strict';

(() => {
  const $ = id => document.getElementById(`emerge-${id}`);
  const { make, percent } = tinytrack;
  const PACE = 900;    // milliseconds per checkpoint while it plays
  const SMOOTHED = 6;  // steps that the loss curve averages

  let data = null, images = null, state = null, marks = [], timer = null;  // state: {step, frame}, both as places in their lists

  // ---- data

  async function prepare() {
    const loaded = await tinytrack.load('emergence');
    const [gray, truth, trueMasks, ...sheets] = await Promise.all(
      [loaded.gray, loaded.true, loaded.trueMasks, ...loaded.checkpoints.flatMap(c => [c.masks, c.colors])].map(tinytrack.picture));
    data = loaded;
    images = { gray, truth, trueMasks, sheets };
    const [height, width] = data.size;
    for (const name of ['colors', 'masks', 'truth']) Object.assign($(name), { width: 3 * width, height: 3 * height });
    $('step').max = data.checkpoints.length - 1;
    $('frame').max = data.frames.length - 1;
    $('objects').replaceChildren(...data.objects.map((name, n) =>
      make('li', {}, make('span', { className: 'swatch', style: `background: ${tinytrack.color.css(data.colorsOfObjects[n])}` }), name)));
    fillTable();
    charts();
    listen();
  }

  // The mean of the last few losses at every step from 1 on.
  function smoothLoss() {
    return data.losses.map((_, i) => {
      const part = data.losses.slice(Math.max(0, i + 1 - SMOOTHED), i + 1);
      return [i + 1, part.reduce((a, b) => a + b, 0) / part.length];
    });
  }

  function lossAt(step) {
    return step ? smoothLoss()[step - 1][1] : data.losses[0];  // the first loss is measured before the first update
  }

  // ---- charts and table

  function charts() {
    const steps = data.checkpoints.map(c => c.step), { facts } = data;
    const ticks = [0, 1, 3, 10, 30, 100].filter(step => step < steps.at(-1) * 0.6).concat(steps.at(-1));
    const choose = distance => change({ step: steps.reduce((best, step, n) => distance(step) < distance(steps[best]) ? n : best, 0) });
    const j = name => data.checkpoints.map(c => [c.step, 100 * c[name]]);
    marks = [
      tinytrack.chart($('loss'), {
        title: 'Chart of the colour loss against the training step; the table below has its numbers', choose,
        x: ['training step (log scale)', ticks], y: ['loss (nats)', [0.6, 1, 1.4, 1.8, 2.2]],
        series: [{ name: `loss, mean of ${SMOOTHED} steps`, kind: 'ours', points: smoothLoss() }],
        levels: [{ name: 'a pointer that attends evenly', kind: 'even', value: facts.even }],
      }),
      tinytrack.chart($('j'), {
        title: 'Chart of the tracking score J against the training step; the table below has its numbers', choose,
        x: ['training step (log scale)', ticks], y: ['J (%)', [0, 20, 40, 60, 80, 100]],
        series: [
          { name: 'the paper\'s protocol (the pictures above)', kind: 'ours', points: j('j'), dots: true },
          { name: 'a better protocol, "modern"', kind: 'modern', points: j('j_modern'), dots: true },
        ],
        levels: [
          { name: 'first frame held still', kind: 'still', value: 100 * facts.identity },
          { name: 'raw gray patches, the paper\'s protocol', kind: 'patches', value: 100 * facts.gray },
        ],
      }),
    ];
  }

  function fillTable() {
    const { facts } = data;
    const row = (name, ...values) =>
      make('tr', {}, make('th', { scope: 'row' }, name), ...values.map(value => make('td', {}, value)));
    $('rows').replaceChildren(
      ...data.checkpoints.map(c =>
        row(`step ${c.step}`, lossAt(c.step).toFixed(2), c.color_error.toFixed(1), percent(c.j), percent(c.j_modern))),
      row('first frame held still', '', facts.identity_color_error.toFixed(1), percent(facts.identity), percent(facts.identity)),
      row('raw gray patches', '', '', percent(facts.gray), percent(facts.gray_modern)));
  }

  // ---- show it

  // Draw one frame of a sheet of frames.
  function part(canvas, image) {
    const [height, width] = data.size, x = state.frame % data.columns, y = Math.floor(state.frame / data.columns);
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(image, x * width, y * height, width, height, 0, 0, canvas.width, canvas.height);
  }

  function masks(canvas, image) {
    const context = canvas.getContext('2d');
    context.globalAlpha = 0.6;
    part(canvas, image);
    context.globalAlpha = 1;
  }

  function render() {
    const checkpoint = data.checkpoints[state.step], frame = data.frames[state.frame], drawn = data.drawn.includes(state.frame);
    part($('colors'), images.sheets[2 * state.step + 1]);
    part($('masks'), images.gray);
    masks($('masks'), images.sheets[2 * state.step]);
    part($('truth'), images.truth);
    if (drawn) masks($('truth'), images.trueMasks);
    $('truth-caption').textContent = drawn ? 'the true frame, with masks drawn by hand' : 'the true frame (no mask drawn by hand)';
    $('step').value = state.step;
    $('frame').value = state.frame;
    $('step-value').textContent = `step ${checkpoint.step} of ${data.checkpoints.at(-1).step}`;
    $('frame-value').textContent = `frame ${frame}`;
    $('step').setAttribute('aria-valuetext', `step ${checkpoint.step}`);
    $('frame').setAttribute('aria-valuetext', `frame ${frame}`);
    $('colors').setAttribute('aria-label', `Colours that the network of step ${checkpoint.step} copied into frame ${frame}`);
    $('masks').setAttribute('aria-label', `Masks that the network of step ${checkpoint.step} copied into frame ${frame}`);
    $('truth').setAttribute('aria-label', `The true frame ${frame}${drawn ? ' with masks drawn by hand' : ''}`);
    $('said').textContent = `Step ${checkpoint.step}: loss ${lossAt(checkpoint.step).toFixed(2)} nats, colour error `
      + `${checkpoint.color_error.toFixed(1)}, J ${percent(checkpoint.j)} (first frame held still: ${percent(data.facts.identity)}).`;
    for (const mark of marks) mark(checkpoint.step);
    tinytrack.emerge = { step: checkpoint.step, frame };
    tinytrack.remember('emerge');
  }

  function change(changes) {
    state = { ...state, ...changes };
    render();
  }

  // ---- input

  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => {
      change({ step: state.step + 1 });
      if (state.step === data.checkpoints.length - 1) play(false);
    }, PACE) : null;
    if (on) change({ step: state.step === data.checkpoints.length - 1 ? 0 : state.step });
    $('play').textContent = on ? 'Stop' : 'Play';
  }

  function listen() {
    $('step').addEventListener('input', () => { play(false); change({ step: Number($('step').value) }); });
    $('frame').addEventListener('input', () => change({ frame: Number($('frame').value) }));
    $('play').addEventListener('click', () => play(!timer));
  }

  // ---- the part

  // The place of the number in a list that an address names; otherwise where it is at the start.
  const placeOf = (list, text, otherwise) => {
    const place = /^\d{1,6}$/.test(text) ? list.indexOf(Number(text)) : -1;
    return place < 0 ? otherwise : place;
  };

  tinytrack.parts.emerge = {
    async open(params) {
      if (!data) await prepare();
      const steps = data.checkpoints.map(c => c.step), frames = data.frames;
      play(false);
      if (!state || Object.keys(params).length)
        state = { step: placeOf(steps, params.step, 0), frame: placeOf(frames, params.frame, frames.indexOf(20)) };
      render();
    },
    params: () => ({ step: data.checkpoints[state.step].step, frame: data.frames[state.frame] }),
  };
})();
