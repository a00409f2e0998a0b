// The page's backbone: data scripts, arrays, and the state in the address.
'use strict';

const tinytrack = {
  data: {},   // name -> object, filled by the scripts in data/
  parts: {},  // name -> {open(params), params()}, filled by the script of each part
};

(() => {
  // ---- data

  const loading = {};

  // Load data/NAME.js once. A page opened from a folder may not fetch files, but it may run scripts.
  tinytrack.load = name => loading[name] ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = `data/${name}.js`;
    script.onload = () => resolve(tinytrack.data[name]);
    script.onerror = () => {
      delete loading[name];
      reject(new Error(`The file data/${name}.js cannot be read: expected the whole folder, not index.html alone.`));
    };
    document.head.append(script);
  });

  // Base64 text -> Uint8Array.
  tinytrack.bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));

  // The address of a picture -> an image that can be drawn.
  tinytrack.picture = async address => {
    const image = new Image();
    image.src = address;
    await image.decode();
    return image;
  };

  // ---- small helpers for the parts

  tinytrack.percent = share => `${Math.round(100 * share)}\u00a0%`;  // with a space at which no line breaks

  // Make an element: make('td', {className: 'number'}, 'text').
  tinytrack.make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // Run a function once, after its last call is ms milliseconds old.
  tinytrack.later = (ms, action) => {
    let timer;
    return (...values) => {
      clearTimeout(timer);
      timer = setTimeout(() => action(...values), ms);
    };
  };

  // Do something that may fail, for example because a file is missing, and show the error.
  tinytrack.attempt = async action => {
    const alert = document.getElementById('alert');
    try {
      await action();
      alert.hidden = true;
    } catch (error) {
      alert.textContent = error.message;
      alert.hidden = false;
    }
  };

  // ---- the state in the address: #part=point&clip=carphone&...

  const read = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  let known = null;  // the address that is shown; null while a part is being opened

  // Write the state of the open part into the address, without a new entry in the browser's history.
  const write = tinytrack.later(150, () => {
    if (location.hash !== known) return;  // another address is about to be shown
    const params = new URLSearchParams({ part: tinytrack.open, ...tinytrack.parts[tinytrack.open].params() });
    const hash = '#' + params.toString().replaceAll('%2C', ',');
    if (hash !== location.hash) history.replaceState(null, '', hash);
    known = location.hash;
  });
  tinytrack.remember = part => { if (part === tinytrack.open) write(); };

  // Show the part that the address names. An address with nothing but the part's name keeps what the part shows.
  const show = async () => {
    const address = location.hash, { part: asked, ...params } = read();
    known = null;
    const name = Object.hasOwn(tinytrack.parts, asked) ? asked : Object.keys(tinytrack.parts)[0];
    tinytrack.open = name;
    for (const section of document.querySelectorAll('section[data-part]')) section.hidden = section.dataset.part !== name;
    for (const link of document.querySelectorAll('nav a')) {
      if (link.dataset.part === name) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    await tinytrack.attempt(() => tinytrack.parts[name].open(params));
    if (address !== location.hash) return;  // it has changed meanwhile, and is shown by another call
    known = address;
    document.body.dataset.ready = name;
    tinytrack.remember(name);
  };

  tinytrack.start = () => {
    addEventListener('hashchange', show);
    // what a link changes may be out of sight, for example on a phone
    for (const link of document.querySelectorAll('.try a'))
      link.addEventListener('click', () => link.closest('section').querySelector('.stage canvas').scrollIntoView({ block: 'nearest' }));
    return show();
  };
})();
