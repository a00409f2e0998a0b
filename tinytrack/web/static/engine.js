// The page's side of the worker in which the third part embeds and tracks.
'use strict';

tinytrack.engine = (() => {
  let worker = null, count = 0;
  const waiting = new Map();  // number of a request -> what to do with its answer

  async function unpack(text) {
    const stream = new Blob([tinytrack.bytes(text)]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Response(stream).arrayBuffer();
  }

  // Ask the worker to do something; the answer is a promise. What is in transfer moves to the worker and is gone here.
  function ask(action, values = {}, transfer = []) {
    return new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject });
      worker.postMessage({ number: count, action, ...values }, transfer);
    });
  }

  // Start the worker once. Returns {threads, colors}.
  let opening = null;
  const open = () => opening ??= (async () => {
    const stored = await tinytrack.load('engine');
    worker = new Worker(URL.createObjectURL(new Blob([stored.worker], { type: 'text/javascript' })));
    worker.onmessage = ({ data: { number, result, error } }) => {
      const { resolve, reject } = waiting.get(number);
      waiting.delete(number);
      if (error) reject(new Error(error));
      else resolve(result);
    };
    const [wasm, network, product] = [await unpack(stored.wasm), tinytrack.bytes(stored.network), tinytrack.bytes(stored.product)];
    const values = { wasm, network, product, glue: stored.glue, temperature: stored.temperature };
    return { ...await ask('open', values, [wasm]), colors: stored.colors };
  })().catch(error => {
    opening = null;
    throw error;
  });

  return { open, ask };
})();
