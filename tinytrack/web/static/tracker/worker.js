// The worker: runs the network and the pointer next to the page, which therefore never stands still.
'use strict';

(() => {
  let engine = null, carrier = null, basis = null;

  // Start onnxruntime-web from what the page sends: a page in a folder may not fetch files.
  async function open({ wasm, glue, network, product, temperature }) {
    Object.assign(ort.env.wasm, {
      wasmBinary: wasm,
      wasmPaths: { mjs: URL.createObjectURL(new Blob([glue], { type: 'text/javascript' })) },
      numThreads: self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1,  // only then may threads share memory
    });
    const options = { executionProviders: ['wasm'] };
    const net = await ort.InferenceSession.create(network, options), dot = await ort.InferenceSession.create(product, options);
    const dim = rows => data => new ort.Tensor('float32', data, [data.length / rows, rows]);
    engine = {
      temperature,
      threads: ort.env.wasm.numThreads,
      // gray (H * W) in [-1, 1] -> embeddings (cells * D)
      async embed(gray, [H, W]) {
        const { embeddings } = await net.run({ picture: new ort.Tensor('float32', gray, [1, 1, H, W]) });
        engine.dim = embeddings.dims.at(-1);
        return embeddings.data;
      },
      async product(a, b) {
        const matrix = dim(engine.dim), { logits } = await dot.run({ a: matrix(a), b: matrix(b) });
        return logits.data;
      },
    };
    return { threads: engine.threads };
  }

  const actions = {
    open,
    workingSize: ({ size, rows }) => tracker.workingSize(size, rows ?? tracker.select.ROWS),
    async start({ size, rows, ...given }) {
      carrier = await tracker.Carrier.start(engine, size, rows, given);
      return { grid: carrier.grid };
    },
    next: ({ rgba, input }) => carrier.next(rgba, input),
    // the object on which somebody clicked; input: the frame at the working size of tracker.select.ROWS
    async select({ rgba, input, size, inside, outside }) {
      const f = await engine.embed(tracker.color.networkInput(input), tracker.workingSize(size, tracker.select.ROWS));
      return tracker.select.region(f, rgba, size, inside, outside, engine.temperature);
    },
    // the embeddings of a frame as colours, RGBA bytes (cells * 4); the first frame after a new video says which colours mean what
    async similar({ input, size, fresh }) {
      const f = await engine.embed(tracker.color.networkInput(input), size);
      if (fresh) basis = tracker.similar.basis(f, engine.dim);
      return tracker.similar.colors(f, engine.dim, basis);
    },
    embed: async ({ input, size }) => ({ f: await engine.embed(tracker.color.networkInput(input), size) }),
  };

  async function answer({ number, action, ...values }) {
    try {
      self.postMessage({ number, result: await actions[action](values) });
    } catch (error) {
      self.postMessage({ number, error: String(error?.message ?? error) });
    }
  }

  let last = Promise.resolve();
  self.onmessage = ({ data }) => { last = last.then(() => answer(data)); };  // one request after the other
})();
