"""Measure the web page in headless Chromium: how fast it points, embeds and tracks, by the browser's clock.

    python -m tests.benchmarks --only page

Without a browser, nothing is measured.
"""

import base64
import statistics
import tempfile
from pathlib import Path

import numpy as np

from tests.support.browser import chromium, why_no_browser
from tests.support.host import ISOLATED, static_host
from tinytrack.datasets.synth import moving_shapes
from tinytrack.web.build import build_page

FRAMES = 16

ABOUT = {
    "page_point": ("", "milliseconds from an arrow key to the attention in all reference frames, first part of the page"),
    "page_embed": ("", "milliseconds to embed a frame of 240x428, one thread"),
    "page_fps_mask": (">= 1", "frames of 240x428 tracked a second: the mask of one object, one thread, as from a folder"),
    "page_fps_colors": (">= 1", "the same with copied colours, for which every cell points"),
    "page_fps_mask_threads": (">= 1", "page_fps_mask on a host that isolates the page, where the network may use several threads"),
    "page_fps_colors_threads": (">= 1", "page_fps_colors on such a host"),
}

POINT = """rounds => Array.from({ length: rounds }, (_, n) => {
    const began = performance.now(), key = n % 2 ? 'ArrowLeft' : 'ArrowRight';
    document.getElementById('point-target').dispatchEvent(new KeyboardEvent('keydown', { key, cancelable: true }));
    return performance.now() - began;
})"""

TRACK = """async ([frames, mask, size, colors]) => {
    await tinytrack.engine.open();
    const { bytes, engine } = tinytrack, [first, ...rest] = frames.map(bytes);
    const given = { rgba: first, input: first, mask: bytes(mask), objects: 1, joints: [], colors };
    await engine.ask('start', { size, rows: Math.min(...size), ...given });
    await engine.ask('next', { rgba: rest[0], input: rest[0] });
    let began = performance.now();
    for (const frame of rest.slice(1)) await engine.ask('next', { rgba: frame, input: frame });
    const seconds = (performance.now() - began) / 1000;
    began = performance.now();
    for (const input of rest) await engine.ask('embed', { input, size });
    return { fps: (rest.length - 1) / seconds, embed: (performance.now() - began) / rest.length };
}"""


def measure(rounds: int = 3, frames: int = FRAMES, size: tuple[int, int] = (240, 428)) -> dict:
    if why_no_browser():
        return {"page": why_no_browser()}
    scene = moving_shapes(0, frames=frames, height=size[0], width=size[1])
    alpha = np.full((*size, 1), 255, np.uint8)
    pictures = [base64.b64encode(np.concatenate([frame, alpha], axis=-1).tobytes()).decode() for frame in scene.frames]
    mask = base64.b64encode((scene.masks[0] == 1).astype(np.uint8).tobytes()).decode()
    found = {}
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        page, _ = build_page(Path(scratch) / "page")
        with static_host(page.parent, ISOLATED) as isolated:
            for host, address in (("", page.parent.as_uri()), ("_threads", isolated)):
                tab = browser.new_page()
                tab.goto(f"{address}/index.html")
                tab.wait_for_selector("body[data-ready]")
                if not host:
                    found["page_point"] = statistics.median(tab.evaluate(POINT, 10 * rounds))
                for name, colors in (("mask", False), ("colors", True)):
                    turns = [tab.evaluate(TRACK, [pictures, mask, list(size), colors]) for _ in range(rounds)]
                    found[f"page_fps_{name}{host}"] = statistics.median(turn["fps"] for turn in turns)
                    if not host and not colors:
                        found["page_embed"] = statistics.median(turn["embed"] for turn in turns)
                tab.close()
    return {key: found[key] for key in ABOUT}
