// Where the frames of the third part come from: a sample, a file, or the camera. Frames are ImageData, all of one size.
'use strict';

tinytrack.capture = (() => {
  const MOST = 120;   // frames: more would not fit into the memory of a phone
  const SIDE = 360;   // pixels of the shorter side; larger videos are scaled down

  const canvas = tinytrack.make('canvas'), context = canvas.getContext('2d', { willReadFrequently: true });

  // Draw a picture or the current frame of a video, and take its pixels.
  function pixels(source, width, height) {
    canvas.width = width;
    canvas.height = height;
    context.imageSmoothingQuality = 'high';
    context.drawImage(source, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  }

  // The same frame at another size [height, width].
  function resize(frame, [height, width]) {
    if (frame.height === height && frame.width === width) return frame;
    const full = tinytrack.make('canvas', { width: frame.width, height: frame.height });
    full.getContext('2d').putImageData(frame, 0, 0);
    return pixels(full, width, height);
  }

  // A small picture, enlarged without smoothing to [height, width].
  function enlarge(small, [height, width]) {
    const source = tinytrack.make('canvas', { width: small.width, height: small.height });
    source.getContext('2d').putImageData(small, 0, 0);
    canvas.width = width;
    canvas.height = height;
    context.imageSmoothingEnabled = false;
    context.drawImage(source, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  }

  // The size at which a picture is kept: [width, height].
  function keptSize(width, height) {
    const scale = Math.min(1, SIDE / Math.min(width, height));
    return [width, height].map(side => Math.max(20, Math.round(side * scale)));
  }

  // A promise for an event of a media element, or for its error.
  const event = (element, name, seconds = 15) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('it does not answer')), 1000 * seconds);
    const done = action => () => {
      clearTimeout(timer);
      action();
    };
    element.addEventListener(name, done(resolve), { once: true });
    element.addEventListener('error', done(() => reject(new Error('it cannot be decoded'))), { once: true });
  });

  async function fromPictures(pictures) {
    const images = await Promise.all(pictures.map(tinytrack.picture));
    return images.map(image => pixels(image, ...keptSize(image.width, image.height)));
  }

  async function seek(video, seconds) {
    const arrived = event(video, 'seeked');
    video.currentTime = seconds;
    await arrived;
  }

  // The frames of a file: `fps` of them per second from second `start` on, MOST at the most.
  // Calls tell(done, total) after each frame, and stops early when it returns false.
  async function fromFile(file, { fps, start }, tell) {
    const video = tinytrack.make('video', { muted: true, playsInline: true, preload: 'auto' }), frames = [];
    const address = URL.createObjectURL(file);
    try {
      const ready = event(video, 'loadeddata');
      video.src = address;
      await ready;
      if (!video.videoWidth) throw new Error('it has no picture');
      if (!Number.isFinite(video.duration)) await seek(video, 1e7);  // a recording of a browser does not know how long it is
      const total = Math.min(MOST, Math.floor((video.duration - start) * fps));
      if (total < 2) throw new Error(`it is ${video.duration.toFixed(1)} seconds long, and fewer than two frames are left`);
      const size = keptSize(video.videoWidth, video.videoHeight);
      while (frames.length < total && tell(frames.length, total)) {
        await seek(video, start + (frames.length + 0.5) / fps);
        frames.push(pixels(video, ...size));
      }
      return frames;
    } catch (error) {
      const expected = 'expected a video that this browser can play, such as MP4 or WebM';
      throw new Error(`'${file.name}' cannot be used, because ${error.message}: ${expected}.`);
    } finally {
      video.removeAttribute('src');
      video.load();
      URL.revokeObjectURL(address);
    }
  }

  // Record the camera for some seconds.
  async function fromCamera({ fps, seconds }, tell) {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } } });
    } catch (error) {
      throw new Error(`The camera cannot be used (${error.message || error.name}): expected a camera, and your permission to use it.`);
    }
    const video = tinytrack.make('video', { muted: true, playsInline: true, srcObject: stream }), frames = [];
    try {
      await video.play();
      const size = keptSize(video.videoWidth, video.videoHeight), total = Math.round(fps * seconds), began = performance.now();
      while (frames.length < total && tell(frames.length, total)) {
        const late = began + 1000 * frames.length / fps - performance.now();
        await new Promise(resolve => setTimeout(resolve, Math.max(0, late)));
        frames.push(pixels(video, ...size));
      }
    } finally {
      for (const track of stream.getTracks()) track.stop();
    }
    if (frames.length < 2) throw new Error('The recording was stopped too early: expected at least two frames.');
    return frames;
  }

  return { fromPictures, fromFile, fromCamera, resize, enlarge, MOST };
})();
