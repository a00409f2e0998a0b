"""Take screenshots of every widget in use, for visual inspection: python -m tests.tools.screens FOLDER.

Each widget is shown in light and dark, 1100 and 1600 pixels wide. Notebook 09 and the README show ``FOLDER/studio-light-1100.png`` as
data/studio.png.
"""

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.widgets import CELLS, SETUP
from tests.support.browser import Visit, chromium, jupyterlab, open_notebook, run_cells, visit, why_no_browser, write_notebook

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


def _studio(v: Visit) -> None:
    v.page.get_by_placeholder("name", exact=True).fill("head")
    v.button("Rename").click()
    head = [(76, 30), (100, 30), (102, 55), (78, 60), (84, 85), (98, 85), (90, 45), (90, 75), (80, 40)]
    v.drag([((x + 0.5) / 176, (y + 0.5) / 144) for x, y in head])
    v.reads("marked by you")
    v.page.get_by_placeholder("name", exact=True).fill("bow tie")
    v.button("Add").click()
    for _ in range(7):
        v.slider("brush").press("ArrowLeft")
    v.drag([((x + 0.5) / 176, (y + 0.5) / 144) for x, y in ((100, 108), (110, 113), (124, 108), (122, 116), (104, 116), (100, 112))])
    v.page.wait_for_timeout(300)
    v.button("Track").click()
    v.reads("tracked 119 frames", 120)
    v.slider("frame").press("End")
    v.reads("frame 119 of 120")


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
