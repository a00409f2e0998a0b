// Save what was tracked in the third part: the overlay as a video, keypoints as a table. Everything stays on this device.
'use strict';

tinytrack.save = (() => {
  function download(content, name) {
    const address = URL.createObjectURL(content);
    tinytrack.make('a', { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  }

  // One row per frame and keypoint, in pixels of the frames shown here. rows: [{frame, seconds, joint, x, y, confidence}, ...]
  function table(rows) {
    const lines = rows.map(({ frame, seconds, joint, x, y, confidence }) =>
      [frame, seconds.toFixed(3), joint, x?.toFixed(2) ?? '', y?.toFixed(2) ?? '', confidence.toFixed(3)].join(','));
    download(new Blob([['frame,seconds,keypoint,x,y,confidence', ...lines].join('\n') + '\n'], { type: 'text/csv' }), 'keypoints.csv');
  }

  // Play `count` frames, which draw(t) puts on the canvas, and record them. Takes as long as the video is. Returns the file's name.
  async function video(canvas, stem, count, fps, draw, tell) {
    const type = ['video/mp4;codecs=avc1.42E01E', 'video/webm'].find(kind => globalThis.MediaRecorder?.isTypeSupported(kind));
    if (!type) throw new Error('This browser cannot record a video: expected one with MediaRecorder.');
    const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: type, videoBitsPerSecond: 8e6 }), parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const stopped = new Promise(resolve => { recorder.onstop = resolve; });
    draw(0);
    recorder.start();
    const began = performance.now();
    for (let t = 0; t < count && tell(t, count); t++) {
      draw(t);
      await new Promise(resolve => setTimeout(resolve, Math.max(0, began + 1000 * (t + 1) / fps - performance.now())));
    }
    recorder.stop();
    await stopped;
    const name = `${stem}.${type.slice(6).split(';')[0]}`;
    download(new Blob(parts, { type }), name);
    return name;
  }

  return { table, video };
})();
