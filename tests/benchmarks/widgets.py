"""Measure the input-to-display latency of the widgets, in a real JupyterLab in a real browser, by the browser's clock.

    python -m tests.benchmarks --only widgets

Each value is a median in milliseconds with the worst case, and includes network, kernel, drawing and painting. Without a browser,
nothing is measured.
"""

import statistics
import tempfile
import time
from pathlib import Path

from tests.support.browser import Visit, chromium, jupyterlab, open_notebook, run_cells, visit, why_no_browser, write_notebook

ABOUT = {
    "palette_k": ("", "palette_explorer: one step of K, from 2 to 64, each for the first time"),
    "palette_frame": ("", "palette_explorer: go to the next frame"),
    "pointer_click": ("< 150", "pointer_explorer: click a pixel and see where it points (until the last picture is updated)"),
    "pointer_hover": ("< 150", "pointer_explorer: the same, following the mouse"),
    "pointer_temperature": ("< 150", "pointer_explorer: one step of the temperature"),
    "pointer_top_k": ("< 150", "pointer_explorer: one step of top-k"),
    "pointer_window": ("< 150", "pointer_explorer: one step of the window"),
    "pointer_features": ("< 150", "pointer_explorer: select another network, for the first time and again"),
    "pointer_target": ("< 150", "pointer_explorer: select another target frame, for the first time"),
    "player_step": ("", "player: go to the next frame, with two methods side by side"),
    "player_opacity": ("", "player: one step of opacity"),
    "player_jump": ("", "player: click the curve"),
    "player_frames_a_second": ("", "player: frames per second while it plays (requested: 25)"),
    "studio_stroke": ("", "studio: release the brush and see the mask"),
    "studio_joint": ("", "studio: click a joint"),
    "studio_step": ("", "studio: go to the next frame, with masks"),
    "studio_undo": ("", "studio: undo with the key Z"),
    "kernel_while_tracking": ("< 200", "the kernel answers 1 + 1 while Track runs"),
    "kernel_while_training": ("< 200", "the kernel answers 1 + 1 while a network trains"),
}

SETUP = """\
from dataclasses import replace
from tinytrack.training.sources import load_shots
from tinytrack.recipe import TINY
from tinytrack.interactive.emergence import emergence
from tinytrack.interactive.palette_explorer import palette_explorer
from tinytrack.interactive.player import player
from tinytrack.interactive.pointer_explorer import pointer_explorer
from tinytrack.interactive.studio import studio
from tinytrack.evaluation.baselines import identity
from tinytrack.datasets.clips import CLIPS, open_clip
from tinytrack.io.masks import read_mask
clip = CLIPS["carphone"]
frames = open_clip("carphone").read()
truth = {t: read_mask(path) for t, path in clip.masks.items()}
still = list(identity(frames, truth[0]))"""
CELLS = {
    "palette": "palette_explorer(frames, k=2)",
    "pointer": "pointer_explorer(frames, 20, (0, 10), truth, clip.objects)",
    "player": "player(frames, {'identity': still, 'lab': still}, {'identity': {t: 0.5 for t in truth}})",
    "studio": "studio('carphone')",
    "training": "emergence(load_shots([open_clip('bikes')], TINY), frames[:61], truth[0], truth)",
}


def _palette(v: Visit, rounds: int) -> dict[str, list[float]]:
    step = v.slider("colours K"), v.slider("frame")
    return {
        "palette_k": [v.latency(lambda: step[0].press("ArrowRight")) for _ in range(4 * rounds)],
        "palette_frame": [v.latency(lambda: step[1].press("ArrowRight")) for _ in range(rounds)],
    }


def _pointer(v: Visit, rounds: int) -> dict[str, list[float]]:
    found = {"pointer_click": []}
    places = [(0.2 + 0.6 * n / rounds, 0.3 + 0.4 * (n % 3) / 3) for n in range(rounds)]
    for place in places:
        v.page.mouse.move(*v.at(*place))
        found["pointer_click"].append(v.latency(lambda: (v.page.mouse.down(), v.page.mouse.up())))
    steps = {"temperature": "temperature", "target": "target frame", "window": "window ± cells (0: none)", "top_k": "top-k (0: all)"}
    for key, text in steps.items():  # beyond top-k 8, a further step makes no visible change
        times = min(rounds, 6) if key == "top_k" else rounds
        found[f"pointer_{key}"] = [v.latency(lambda text=text: v.slider(text).press("ArrowRight")) for _ in range(times)]
    select = v.page.locator("select").filter(has_text="random network")
    names = ["random network", "raw gray patches", "raw Lab patches", "tiny-gray (trained)"]
    found["pointer_features"] = [v.latency(lambda name=name: select.select_option(name)) for name in 2 * names]
    v.page.get_by_text("follow the mouse").click()
    v.page.mouse.move(*v.at(0.5, 0.9))
    v.page.wait_for_timeout(500)
    found["pointer_hover"] = []
    for place in places:
        found["pointer_hover"].append(v.latency(lambda place=place: v.page.mouse.move(*v.at(*place))))
    return found


def _player(v: Visit, rounds: int) -> dict[str, list[float]]:
    found = {
        "player_step": [v.latency(lambda: v.slider("frame").press("ArrowRight")) for _ in range(rounds)],
        "player_opacity": [v.latency(lambda: v.slider("opacity").press("ArrowRight")) for _ in range(min(rounds, 9))],
        "player_jump": [],
    }
    for n in range(rounds):
        v.page.mouse.move(*v.at(0.2 + 0.6 * n / rounds, 0.5, 2))
        found["player_jump"].append(v.latency(lambda: (v.page.mouse.down(), v.page.mouse.up())))
    v.slider("frame").press("Home")
    v.page.wait_for_timeout(500)
    before, start = v.painted(), time.monotonic()
    v.page.get_by_title("Play or pause").click()
    v.page.wait_for_timeout(3000)
    found["player_frames_a_second"] = [(v.painted() - before) / (time.monotonic() - start)]
    v.page.get_by_title("Play or pause").click()
    return found


def _studio(v: Visit, rounds: int) -> dict[str, list[float]]:
    found = {"studio_stroke": [], "studio_joint": [], "studio_undo": [], "studio_step": []}
    for n in range(rounds):
        x = 0.35 + 0.02 * n
        v.page.mouse.move(*v.at(x, 0.3))
        v.page.mouse.down()
        v.page.mouse.move(*v.at(x + 0.05, 0.6), steps=8)
        v.page.wait_for_timeout(50)
        found["studio_stroke"].append(v.latency(v.page.mouse.up))
    v.stage().focus()
    found["studio_undo"] = [v.latency(lambda: v.page.keyboard.press("z")) for _ in range(rounds // 2)]
    v.page.locator("select").filter(has_text="quick").select_option("quick (112 rows)")
    v.button("Track").click()
    v.reads("tracking: ")
    answers = []
    while "tracking: " in v.page.inner_text("body"):
        answers.append(v.kernel_answers())
    found["kernel_while_tracking"] = answers
    v.reads("tracked 119 frames", 120)
    found["studio_step"] = [v.latency(lambda: v.slider("frame").press("ArrowRight")) for _ in range(rounds)]
    v.page.get_by_role("button", name="joints", exact=True).click()
    for n in range(rounds):
        v.page.mouse.move(*v.at(0.3 + 0.03 * n, 0.5))
        found["studio_joint"].append(v.latency(lambda: (v.page.mouse.down(), v.page.mouse.up())))
    return found


def _training(v: Visit, rounds: int) -> dict[str, list[float]]:
    v.button("Train").click()
    v.reads("clips/s", 60)
    answers = []
    for _ in range(10 * rounds):
        answers.append(v.kernel_answers())
        v.page.wait_for_timeout(100)
    v.button("Stop").click()
    v.reads("stopped, and kept", 60)
    return {"kernel_while_training": answers}


def measure(rounds: int = 4) -> dict:
    if why_no_browser():
        return {"widgets": why_no_browser()}
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch, jupyterlab(Path(scratch)) as server, chromium() as browser:
        for name, drive in {"palette": _palette, "pointer": _pointer, "player": _player, "studio": _studio, "training": _training}.items():
            write_notebook(Path(scratch) / "notebooks" / f"{name}.ipynb", SETUP, CELLS[name])
            with visit(browser) as v:
                open_notebook(v, server, f"{name}.ipynb")
                run_cells(v)
                v.repainted(0)
                v.page.wait_for_timeout(500)
                found |= drive(v, rounds)
    alone = ("player_frames_a_second",)
    return {
        key: round(times[0], 1) if key in alone else f"{statistics.median(times):.0f} (worst {max(times):.0f})"
        for key, times in found.items()
    }
