// One tracking of the third part: from the marked frames through all others. After a cancel it goes on where it stopped.
'use strict';

tinytrack.Job = class {
  // video: {frames, ...}; marks: Marks; rows: the detail; carry: whether colours are copied too.
  constructor(video, marks, { rows, carry }) {
    Object.assign(this, { video, marks, rows, carry, version: marks.version, runs: this.plan(video, marks), run: 0, step: 0, done: 0 });
    this.total = this.runs.reduce((sum, run) => sum + run.frames.length, 0);
  }

  // Whether this job would find out what the settings and the marks of now ask for, and has not done so yet.
  goesOn(video, marks, { rows, carry }) {
    return video === this.video && marks.version === this.version && rows === this.rows && carry === this.carry && this.done < this.total;
  }

  // The runs: from each marked frame to the next one, and from the first one also back to the beginning.
  plan(video, marks) {
    const keys = [...marks.frames.keys()].sort((a, b) => a - b);
    const range = (from, count, step) => Array.from({ length: count }, (_, i) => from + step * i);
    const runs = keys.map((key, n) => ({ key, frames: range(key + 1, (keys[n + 1] ?? video.frames.length) - key - 1, 1) }));
    if (keys.length) runs.push({ key: keys[0], frames: range(keys[0] - 1, keys[0], -1) });
    return runs.filter(run => run.frames.length);
  }

  // Track. Calls found(frame, track) after each frame, and stops when stopped() is true. Returns whether it is done.
  async go(stopped, found) {
    for (; this.run < this.runs.length; this.run++, this.step = 0) {
      const { key, frames } = this.runs[this.run];
      if (!this.step) await this.begin(key);
      for (; this.step < frames.length; this.step++, this.done++) {
        if (stopped()) return false;
        const image = this.video.frames[frames[this.step]];
        const { ids, joints, painted } = await tinytrack.engine.ask('next', { rgba: image.data, input: this.small(image) });
        found(frames[this.step], {
          ids: ids && ids.map(id => this.objects[id]), painted, version: this.version,
          joints: joints.map(joint => joint.place), confidence: joints.map(joint => joint.confidence),
        });
      }
    }
    return true;
  }

  // Send the worker the frame from which a run starts. It numbers only the objects that are in this frame.
  async begin(key) {
    const { ids, joints } = this.marks.of(key), image = this.video.frames[key], size = [image.height, image.width];
    this.objects = Uint8Array.from(new Set([0, ...ids ?? []])).sort();
    const numbers = Uint8Array.from({ length: 256 }, (_, id) => Math.max(0, this.objects.indexOf(id)));
    const mask = this.objects.length > 1 ? ids.map(id => numbers[id]) : null;
    this.input = await tinytrack.engine.ask('workingSize', { size, rows: this.rows });
    const given = { mask, objects: this.objects.length - 1, joints, colors: this.carry };
    await tinytrack.engine.ask('start', { size, rows: this.rows, rgba: image.data, input: this.small(image), ...given });
  }

  // The pixels of a frame at the size at which the network sees it.
  small(image) {
    return tinytrack.capture.resize(image, this.input).data;
  }
};
