"""Take screenshots of every widget in use, for visual inspection: python -m tests.tools.screens FOLDER.

Each widget is shown in light and dark, 1100 and 1600 pixels wide. Notebook 09 and the README show ``FOLDER/studio-light-1100.png`` as
data/studio.png.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from tests.benchmarks.widgets import CELLS, SETUP
from tests.support.browser import Visit, chromium, jupyterlab, open_notebook, run_cells, visit, why_no_browser, write_notebook
from tinytrack.datasets.clips import CLIPS
from tinytrack.io.masks import read_mask

WIDTHS = (1100, 1600)


def _palette(v: Visit) -> None:
    for _ in range(5):
        v.latency(lambda: v.slider("colours K").press("ArrowRight"))


def _pointer(v: Visit) -> None:
    v.latency(lambda: v.click(112 / 176, 114 / 144))
    for _ in range(8):
        v.latency(lambda: v.slider("window ± cells (0: none)").press("ArrowRight"))


def _player(v: Visit) -> None:
    v.latency(lambda: v.click(0.7, 0.5, 2))


def _stroke(mask: np.ndarray, radius: float) -> list[tuple[float, float]]:
    """Paint an object as a careful person would: a zigzag whose brush stays inside the mask. Points are shares of the frame."""
    inside = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] >= radius
    path = []
    for n, y in enumerate(np.flatnonzero(inside.any(axis=1))[::4]):
        columns = np.flatnonzero(inside[y])[[0, -1]]
        path += [((x + 0.5) / mask.shape[1], (y + 0.5) / mask.shape[0]) for x in (columns if n % 2 else columns[::-1])]
    return path


def _studio(v: Visit) -> None:
    clip = CLIPS["carphone"]
    drawn = read_mask(clip.masks[0])
    for _ in range(10):
        v.slider("brush").press("ArrowLeft")  # from 8 to 3 pixels
    for n, name in enumerate(("head", "bow tie", "window blind"), start=1):
        v.page.get_by_placeholder("name", exact=True).fill(name)
        v.button("Rename" if n == 1 else "Add").click()
        box = v.page.get_by_placeholder("name", exact=True).element_handle()
        v.page.wait_for_function("box => box.value === ''", arg=box)  # Python empties it, which must not hit the next name
        v.drag(_stroke(drawn == n, radius=3))
        v.reads("marked by you")
        v.page.wait_for_timeout(2000)  # a busy kernel would see the next button before the next name
    v.page.wait_for_timeout(300)
    v.button("Track").click()
    v.reads("tracked 119 frames", 240)
    for _ in range(60):
        v.slider("frame").press("ArrowRight")
    v.reads("frame 60 of 120")


def _joints(v: Visit) -> None:
    v.page.get_by_role("button", name="joints", exact=True).click()
    v.page.locator("select").filter(has_text="four-legged").select_option("face")
    for x, y in ((76.5, 60.5), (97, 55), (90.5, 70.5), (83.5, 82), (101, 78), (95, 99.5)):
        v.latency(lambda x=x, y=y: v.click((x + 0.5) / 176, (y + 0.5) / 144))
    v.page.locator("select").filter(has_text="quick").select_option("quick (112 rows)")
    v.button("Track").click()
    v.reads("tracked 119 frames", 120)
    v.slider("frame").press("End")
    v.reads("frame 119 of 120")


def _training(v: Visit) -> None:
    v.button("Train").click()
    v.reads("step 10:", 120)
    v.button("Stop").click()
    v.reads("stopped, and kept", 60)


SCENES = {
    "palette": ("palette", _palette),
    "pointer": ("pointer", _pointer),
    "player": ("player", _player),
    "studio": ("studio", _studio),
    "joints": ("studio", _joints),
    "training": ("training", _training),
}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.screens", description="Pictures of every widget in use, to be looked at.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default=",".join(SCENES), metavar="A,B", help=f"of {', '.join(SCENES)}")
    args = parser.parse_args(argv)
    if why_no_browser():
        parser.error(why_no_browser())
    args.folder.mkdir(parents=True, exist_ok=True)
    for theme in ("Light", "Dark"):
        with tempfile.TemporaryDirectory() as scratch, jupyterlab(Path(scratch), f"JupyterLab {theme}") as server, chromium() as browser:
            for name in args.only.split(","):
                cell, use = SCENES[name]
                for width in WIDTHS:
                    write_notebook(Path(scratch) / "notebooks" / f"{name}{width}.ipynb", SETUP, CELLS[cell])
                    with visit(browser, width, 1150) as v:
                        open_notebook(v, server, f"{name}{width}.ipynb")
                        run_cells(v)
                        v.repainted(0)
                        use(v)
                        v.page.mouse.move(5, 5)
                        v.page.wait_for_timeout(500)
                        path = args.folder / f"{name}-{theme.lower()}-{width}.png"
                        v.page.locator(".jp-OutputArea-output", has=v.page.locator(".tinytrack-stage")).first.screenshot(path=path)
                        v.shows_no_error()
                        print(path, flush=True)


if __name__ == "__main__":
    main()
