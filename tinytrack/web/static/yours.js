// Part 3, "Track in your own video": mark objects and keypoints in a frame, and let the worker track them. Nothing leaves the device.
'use strict';

(() => {
  const $ = id => document.getElementById(`yours-${id}`);
  const { make, capture, engine } = tinytrack;
  const SAMPLES = ['carphone', 'bikes'];
  const DETAILS = [96, 144, 192, 240];
  const JOINTS = 40;         // keypoints at most
  const LISTED = 15;         // more keypoints than this have no buttons
  const GRID = [7, 5];       // columns and rows of a grid of keypoints
  const TRAIL = 15;          // frames that the trail of a keypoint reaches back

  let video = null;          // {name, frames: [ImageData, ...], fps, names of objects}
  let marks = null, tracks = [];  // tracks[t]: {ids, joints, painted, version}, or nothing
  let frame = 0, detail = 144, shows = 'marks', colors = [];
  let tool = { kind: 'click', id: 1, joint: 0, removes: false }, cursor = null;
  let similar = [], rows = 0, embedding = false;  // similar[t]: the embeddings of frame t as a picture, made at this detail
  let busy = null;           // {stopped} while something long runs
  let job = null;            // the tracking that was begun last, which goes on after Cancel
  let timer = null;          // of Play

  // ---- what is known of a frame

  const fresh = (t, version = marks.version) => tracks[t]?.version === version;
  const at = t => marks.of(t) ?? tracks[t] ?? null;

  // Where a keypoint was in the last frames: a list of places or nulls.
  const trail = n => Array.from({ length: Math.min(TRAIL, frame) + 1 }, (_, back) => at(frame - back)?.joints[n] ?? null);

  // ---- show it

  function look() {
    if (!video) return;
    const known = at(frame), image = video.frames[frame], painted = tracks[frame]?.painted;
    const colored = shows === 'colors' && painted && new ImageData(painted, image.width, image.height);
    const picture = colored || (shows === 'similar' && showSimilar()) || image;
    tinytrack.overlay.show($('stage'), picture, {
      ids: shows === 'marks' ? known?.ids : null, joints: shows === 'marks' ? known?.joints ?? [] : [],
      clicks: tool.kind === 'click' ? marks.of(frame)?.clicks[tool.id] : null,
      trail: $('trails').checked && !busy ? trail : null,
      colors, cursor: cursor && { place: cursor, radius: onStage.paints() ? radius() : 2 },
      faint: !marks.of(frame) && !fresh(frame),
    });
    const { version } = marks;
    const states = video.frames.map((_, t) => marks.of(t) ? 'marked' : !tracks[t] ? 'empty' : fresh(t, version) ? 'tracked' : 'stale');
    tinytrack.overlay.timeline($('timeline'), states, frame);
    $('frame').value = frame;
    const words = { marked: 'marked', tracked: 'tracked', stale: 'tracked before your last change', empty: 'nothing yet' };
    $('frame-value').textContent = `${frame} of ${video.frames.length - 1}: ${words[states[frame]]}`;
    $('stage').setAttribute('aria-label', `Frame ${frame} of ${video.name}, ${words[states[frame]]}`);
    tinytrack.yours = { video, marks, tracks, frame, states, similar };  // for tests and for the console
    tinytrack.remember('yours');
  }

  // The embeddings of the current frame as a picture, or nothing until they have been computed.
  function showSimilar() {
    if (rows !== detail) [similar, rows] = [[], detail];
    if (!similar[frame] && !embedding && !busy) computeSimilar(similar, frame);
    return similar[frame];
  }

  async function computeSimilar(found, t) {
    const image = video.frames[t], { width, height } = image;
    embedding = true;
    try {
      await engine.open();
      const size = await engine.ask('workingSize', { size: [height, width], rows }), input = capture.resize(image, size).data;
      const cells = await engine.ask('similar', { input, size, fresh: !found.some(Boolean) });
      found[t] = capture.enlarge(new ImageData(cells, size[1] / 4, size[0] / 4), [height, width]);
    } catch (error) {
      shows = 'marks';
      say(error.message, true);
    }
    embedding = false;
    look();
  }

  // Make the controls agree with the state.
  function settle() {
    const idle = !busy, open = Boolean(video), tracked = open && tracks.some((track, t) => track && fresh(t));
    for (const name of ['sample-carphone', 'sample-bikes', 'file', 'camera']) $(name).disabled = !idle;
    for (const name of ['track', 'detail', 'carry', 'clear', 'undo', 'redo', 'play', 'frame']) $(name).disabled = !open || !idle;
    $('undo').disabled ||= !marks.past.length;
    $('redo').disabled ||= !marks.future.length;
    $('save-video').disabled = !tracked || !idle;
    $('save-table').disabled = !tracked || !idle || !tracks.some(track => track?.joints.length);
    $('cancel').hidden = idle;
    $('work').hidden = !open;
    $('shows-colors').disabled = !tracks.some(track => track?.painted);
    $('detail').value = detail;
    $('radius-value').textContent = `${radius()} pixels`;
    for (const input of document.querySelectorAll('[name=yours-tool]')) input.checked = input.value === tool.kind;
    for (const input of document.querySelectorAll('[name=yours-shows]')) input.checked = input.value === shows;
    const many = tool.kind === 'joints' && used(true) > LISTED;
    $('objects').replaceChildren(...(open && !many ? chips() : []));
    $('objects-name').textContent = many ? `${used(true)} keypoints` : tool.kind === 'joints' ? 'Keypoint' : 'Object';
    $('objects').parentNode.hidden = tool.kind === 'eraser';
    $('ways').hidden = tool.kind !== 'click';
    for (const input of document.querySelectorAll('[name=yours-way]')) input.checked = (input.value === 'remove') === tool.removes;
    $('grid').parentNode.hidden = tool.kind !== 'joints';
    $('radius').parentNode.hidden = !onStage.paints();
  }

  // One button for each object or keypoint, and for a new one.
  function chips() {
    const joints = tool.kind === 'joints', chosen = joints ? tool.joint : tool.id - 1, count = Math.min(most(), 1 + used(joints));
    return Array.from({ length: Math.max(count, chosen + 1) }, (_, n) => {
      const swatch = make('span', { className: 'swatch', style: `background: ${tinytrack.color.css(colors[n % colors.length])}` });
      const chip = make('button', { type: 'button' }, swatch, ` ${joints ? n + 1 : video.names[n] ?? n + 1}`);
      chip.setAttribute('aria-pressed', n === chosen);
      chip.addEventListener('click', () => choose(n));
      return chip;
    });
  }

  // The highest number of an object or a keypoint that is marked anywhere.
  function used(joints) {
    const all = [...(marks?.frames.values() ?? [])];
    if (joints) return Math.max(0, ...all.map(mark => mark.joints.length));
    return Math.max(0, video?.names.length ?? 0, ...all.map(mark => mark.ids?.reduce((a, b) => Math.max(a, b), 0) ?? 0));
  }

  const most = () => tool.kind === 'joints' ? JOINTS : colors.length;

  function choose(n) {
    if (n >= most() || n > used(tool.kind === 'joints')) return;
    if (tool.kind === 'joints') tool.joint = n;
    else tool.id = n + 1;
    settle();
  }

  // Say something in the status line, which stays in view; errors are marked.
  function say(text, wrong = false) {
    $('said').textContent = text;
    $('said').classList.toggle('wrong', wrong);
  }

  const radius = () => Number($('radius').value);

  function go(t) {
    const next = Math.min(video.frames.length - 1, Math.max(0, t));
    if (next !== frame && !busy && tool.removes) {
      tool.removes = false;  // a new frame begins with adding
      settle();
    }
    frame = next;
    look();
  }

  // ---- long work, one at a time

  async function work(action) {
    if (busy) return;
    stop();
    busy = { stopped: false };
    settle();
    $('said').scrollIntoView({ block: 'nearest' });
    try {
      await action(busy);
    } catch (error) {
      say(error.message, true);
    }
    busy = null;
    settle();
    look();
  }

  // ---- open a video

  // Whether another video may replace this one with its marks, which exist nowhere else.
  const mayForget = () => !marks?.past.length || confirm(`This forgets your marks on ${video.name}. Open another video anyway?`);

  // frames: of a video; ids: the mask of its first frame, or null.
  function take({ name, frames, fps, names = [], ids = null }) {
    const { width, height } = frames[0];
    video = { name, frames, fps, names };
    marks = new tinytrack.Marks(width, height, t => tracks[t] ?? null);
    tracks = [];
    similar = [];
    job = null;
    [frame, shows] = [0, 'marks'];
    tool = { ...tool, id: 1, joint: 0 };
    if (ids) marks.put(0, { ids, joints: [], clicks: {} });
    detail = DETAILS.filter(rows => rows <= Math.min(192, width, height)).at(-1) ?? DETAILS[0];
    Object.assign($('stage'), { width, height });
    $('stage').style.maxWidth = height > width ? `${Math.round(75 * width / height)}vh` : '';  // a portrait fits the screen
    $('frame').max = frames.length - 1;
    $('radius').max = Math.round(Math.min(width, height) / 4);
    $('radius').value = Math.round(Math.min(width, height) / 16);
  }

  async function openSample(name) {
    const stored = await tinytrack.load(`sample-${name}`);
    const frames = await capture.fromPictures(stored.pictures);
    take({ ...stored, frames, ids: tinytrack.bytes(stored.mask) });
    const given = `Already marked in frame 0: ${stored.names.join(', ')}.`;
    say(`${stored.about}: ${frames.length} frames. ${given} Press Track, or mark something else.`);
  }

  function opened(name, frames, fps) {
    take({ name, frames, fps });
    const { width, height } = frames[0], pace = `${frames.length} frames of ${width}×${height}, ${fps} per second`;
    say(`${name}: ${pace}. Click on an object in any frame, or paint over it. Then press Track.`);
    $('stage').scrollIntoView({ block: 'nearest' });
  }

  const tell = (verb, state) => (done, total) => {
    say(`${verb}: ${done} of ${total} frames`);
    return !state.stopped;
  };

  const openFile = file => mayForget() && work(async state => {
    const fps = Number($('fps').value), start = Math.max(0, Number($('start').value) || 0);
    const frames = await capture.fromFile(file, { fps, start }, tell('reading', state));
    if (state.stopped) say('cancelled; nothing was opened');
    else opened(file.name, frames, fps);
  });

  const openCamera = () => mayForget() && work(async state => {
    const fps = Number($('fps').value);
    opened('your recording', await capture.fromCamera({ fps, seconds: 5 }, tell('recording', state)), fps);
  });

  // ---- track

  const track = () => work(async state => {
    if (!marks.frames.size)
      throw new Error('Nothing is marked: mark an object or a keypoint first.');
    say('starting the network ...');
    const { threads } = await engine.open(), settings = { rows: detail, carry: $('carry').checked };
    if (!job?.goesOn(video, marks, settings)) job = new tinytrack.Job(video, marks, settings);
    const began = performance.now(), before = job.done;
    const pace = () => 1000 * (job.done + 1 - before) / (performance.now() - began);
    const done = await job.go(() => state.stopped, (t, found) => {
      tracks[t] = found;
      const left = Math.ceil((job.total - job.done - 1) / pace()), seconds = `${left} second${left === 1 ? '' : 's'} left`;
      say(`tracking: ${job.done + 1} of ${job.total} frames, ${pace().toFixed(1)} a second, ${seconds}`);
      go(t);
    });
    if (!done) return say(`cancelled after ${job.done} of ${job.total} frames; Track goes on from there`);
    tinytrack.pace = { fps: 1000 * (job.done - before) / (performance.now() - began), threads };  // for tests and for the console
    say(`tracked ${job.total} frames, ${tinytrack.pace.fps.toFixed(1)} a second. Play them. If one is wrong, correct it and track again.`);
  });

  // ---- play

  function stop() {
    clearInterval(timer);
    timer = null;
    $('play').textContent = 'Play';
  }

  function play() {
    if (timer) return stop();
    $('play').textContent = 'Stop';
    timer = setInterval(() => go((frame + 1) % video.frames.length), 1000 / Math.min(25, video.fps));
  }

  // ---- save

  const saveVideo = () => work(async state => {
    cursor = null;
    const stem = `${video.name.replace(/\.[^.]*$/, '')}-tracked`, count = video.frames.length;
    const name = await tinytrack.save.video($('stage'), stem, count, video.fps, go, tell('recording the video', state));
    say(`saved ${name} to your downloads`);
  });

  function saveTable() {
    tinytrack.save.table(video.frames.flatMap((_, t) => (at(t)?.joints ?? []).map((place, n) => ({
      frame: t, seconds: t / video.fps, joint: n + 1, x: place?.[0], y: place?.[1],
      confidence: marks.of(t) ? Number(Boolean(place)) : tracks[t].confidence[n],
    }))));
    say('saved keypoints.csv to your downloads');
  }

  // ---- mark

  function changed(text = '') {
    if (text) say(text);
    settle();
    look();
  }

  function dab(from, to, more) {
    marks.paint(frame, from, to, radius(), tool.kind === 'eraser' ? 0 : tool.id, more);
    look();
  }

  function placeJoint(place) {
    marks.change(frame, mark => {
      while (mark.joints.length <= tool.joint) mark.joints.push(null);
      mark.joints[tool.joint] = place;
    });
    const placed = tool.joint + 1;
    tool.joint = Math.min(JOINTS - 1, placed);
    changed(`placed keypoint ${placed}; the next click places keypoint ${tool.joint + 1}`);
  }

  // Select an object by a click on it. With Shift, or with the tool "remove", take away what looks like the clicked place.
  const clickObject = (place, shift) => work(async () => {
    const image = video.frames[frame], size = [image.height, image.width], before = marks.of(frame)?.clicks[tool.id];
    const removes = shift || tool.removes, there = at(frame)?.ids?.includes(tool.id);
    if (removes && !there) throw new Error('There is nothing to remove: click on the object first, with "add".');
    say('looking ...');
    await engine.open();
    const input = capture.resize(image, await engine.ask('workingSize', { size })).data;
    const find = clicks => engine.ask('select', { rgba: image.data, input, size, ...clicks });
    if (there && !before) {  // painted or tracked: the click changes a part of this mask
      marks.join(frame, await find({ inside: [place], outside: [] }), tool.id, removes);
      return say(removes ? 'removed what looks like the clicked place' : 'added what looks like the clicked place');
    }
    const clicks = { inside: [...before?.inside ?? []], outside: [...before?.outside ?? []] };
    clicks[removes ? 'outside' : 'inside'].push(place);
    marks.select(frame, await find(clicks), tool.id, clicks);
    const count = clicks.inside.length + clicks.outside.length;
    say(`Selected with ${count} click${count > 1 ? 's' : ''}. Click missing parts to add them, and switch to "remove" for extra parts.`);
  });

  // Place keypoints all over the frame.
  function placeGrid() {
    const { width, height } = $('stage'), [columns, rows] = width >= height ? GRID : [GRID[1], GRID[0]];
    marks.change(frame, mark => {
      mark.joints = Array.from({ length: columns * rows }, (_, n) =>
        [(n % columns + 0.5) / columns * width - 0.5, (Math.floor(n / columns) + 0.5) / rows * height - 0.5]);
    });
    $('trails').checked = true;
    changed(`placed ${columns * rows} keypoints; track them, and play the result`);
  }

  function step(name) {
    const t = marks[name]();
    if (t === null) return;
    go(t);
    changed(`${name === 'undo' ? 'undid' : 'redid'} a change in frame ${t}`);
  }

  const onStage = {
    ready: () => video && !busy,
    paints: () => tool.kind === 'brush' || tool.kind === 'eraser',
    begin(place) {
      stop();
      dab(place, place, false);
    },
    extend: (from, to) => dab(from, to, true),
    end: () => changed(tracks.some(Boolean) ? `corrected frame ${frame}; track again` : `marked frame ${frame}; press Track`),
    click: (place, shift) => tool.kind === 'joints' ? placeJoint(place) : clickObject(place, shift),
    hover(place) {
      cursor = place;
      look();
    },
  };

  function shortcut(event) {
    if (tinytrack.open !== 'yours' || !video || busy) return;
    const key = event.key.toLowerCase(), types = event.target.matches('select, input:not([type=range], [type=radio], [type=checkbox])');
    if (event.ctrlKey || event.metaKey) {
      if (key === 'z') step(event.shiftKey ? 'redo' : 'undo');
      else if (key === 'y') step('redo');
      else return;
    } else if (event.altKey || types) return;
    else if (/^[1-9]$/.test(key)) choose(Number(key) - 1);
    else if (key === ',' || key === '.') go(frame + (key === ',' ? -1 : 1));
    else return;
    event.preventDefault();
  }

  function listen() {
    tinytrack.listenToStage($('stage'), onStage);
    for (const name of SAMPLES) $(`sample-${name}`).addEventListener('click', () => { if (mayForget()) work(() => openSample(name)); });
    $('file').addEventListener('change', () => {
      const [file] = $('file').files;
      $('file').value = '';
      if (file) openFile(file);
    });
    $('camera').addEventListener('click', openCamera);
    $('drop').addEventListener('dragover', event => event.preventDefault());
    $('drop').addEventListener('drop', event => {
      event.preventDefault();
      const [file] = event.dataTransfer.files;
      if (file) openFile(file);
    });
    for (const input of document.querySelectorAll('[name=yours-tool]'))
      input.addEventListener('change', () => { tool.kind = input.value; settle(); });
    for (const input of document.querySelectorAll('[name=yours-shows]'))
      input.addEventListener('change', () => { shows = input.value; look(); });
    $('frame').addEventListener('input', () => go(Number($('frame').value)));
    $('timeline').addEventListener('click', event => {
      const box = $('timeline').getBoundingClientRect();
      go(Math.floor((event.clientX - box.left) / box.width * video.frames.length));
    });
    $('radius').addEventListener('input', settle);
    for (const input of document.querySelectorAll('[name=yours-way]'))
      input.addEventListener('change', () => { tool.removes = input.value === 'remove'; });
    $('detail').addEventListener('change', () => { detail = Number($('detail').value); look(); });
    $('play').addEventListener('click', play);
    $('grid').addEventListener('click', placeGrid);
    $('trails').addEventListener('change', look);
    $('undo').addEventListener('click', () => step('undo'));
    $('redo').addEventListener('click', () => step('redo'));
    $('clear').addEventListener('click', () => { marks.clear(frame); changed(`cleared frame ${frame}`); });
    $('track').addEventListener('click', track);
    $('cancel').addEventListener('click', () => { if (busy) busy.stopped = true; });
    $('save-video').addEventListener('click', saveVideo);
    $('save-table').addEventListener('click', saveTable);
    document.addEventListener('keydown', shortcut);
    addEventListener('beforeunload', event => { if (marks?.past.length) event.preventDefault(); });
  }

  // ---- the part

  tinytrack.parts.yours = {
    async open(params) {
      if (!video) {
        colors = (await tinytrack.load('engine')).colors;
        listen();
      }
      const name = SAMPLES.includes(params.video) ? params.video : 'carphone';
      if (!video || (SAMPLES.includes(params.video) && video.name !== params.video && mayForget())) await openSample(name);
      if (DETAILS.includes(Number(params.detail))) detail = Number(params.detail);
      settle();
      go(/^\d{1,4}$/.test(params.frame) ? Number(params.frame) : frame);
    },
    params: () => ({ ...(SAMPLES.includes(video.name) ? { video: video.name } : {}), detail, frame }),
  };
})();
