"""One look for all pictures and figures: a colour per object and per method, and figures that carry alt text."""

import base64
import functools
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Distinct on gray and on colour pictures, also for most colour-blind readers (Okabe and Ito 2008, brightened).
COLORS = np.array(
    [[230, 60, 60], [60, 150, 255], [255, 200, 40], [70, 200, 110], [220, 110, 230], [255, 140, 40], [90, 220, 230], [200, 200, 200]],
    np.uint8,
)
# Distinct for colour-blind readers too (Okabe and Ito 2008; they have eight colours, gray is the ninth).
STYLES = {
    "tiny-gray": ("tiny-gray (this project)", "#D55E00"),
    "tiny-lab": ("tiny-lab (this project; sees colour)", "#E69F00"),
    "identity": ("identity: first frame held still", "#000000"),
    "flow": ("optical flow", "#0072B2"),
    "gray": ("raw gray patches", "#56B4E9"),
    "lab": ("raw Lab patches (see colour)", "#009E73"),
    "random": ("random network", "#CC79A7"),
    "random-lab": ("random network (sees colour)", "#999999"),
    "single": ("single-image colorization", "#F0E442"),
}
# For curves that are no method of :data:`STYLES`, in order.
OTHERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = "osD^vPX*"  # Beside the colour, so that curves are told apart in gray print too.
DPI = 150
SCREEN_DPI = 100  # Of a figure in a notebook: nine inches fill the column of JupyterLab.


def object_color(n: int) -> np.ndarray:
    """The colour of object (or joint) n = 1, 2, ...: uint8 (3,)."""
    return COLORS[(n - 1) % len(COLORS)]


def label(method: str) -> str:
    """A method's name as a reader meets it."""
    return STYLES.get(method, (method, ""))[0]


def color(method: str) -> str:
    """A method's colour, gray for one that has none of its own."""
    return STYLES.get(method, ("", "#888888"))[1]


def chart(width: float, height: float, alt: str = "") -> "Figure":
    """An empty figure, in inches, that shows itself at the end of a notebook's cell; ``alt`` says in words what is to be seen.

    White, so that it is legible on a dark page too; ``constrained``, so that nothing overlaps.
    """
    from matplotlib.figure import Figure  # here, for it takes a fifth of a second, and the command line mostly needs none

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    figure.alt = " ".join(alt.split())
    figure._repr_mimebundle_ = functools.partial(_for_notebook, figure)
    return figure


def _for_notebook(figure: "Figure", include=None, exclude=None) -> tuple[dict, dict]:
    """What Jupyter asks an object for: what to show, and what to know about it."""
    kind, data = "image/png", _encoded(figure, "png")
    if len(data) > 80_000:  # photographs: a quarter of the size
        kind, data = "image/jpeg", _encoded(figure, "jpeg", pil_kwargs={"quality": 88, "subsampling": 0})
    return {kind: base64.b64encode(data).decode(), "text/plain": figure.alt}, {kind: {"alt": figure.alt}}


def _encoded(figure: "Figure", form: str, **options) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=SCREEN_DPI, facecolor="white", bbox_inches="tight", pad_inches=0.08, **options)
    return buffer.getvalue()


def plain_axes(axis, grid: str = "both") -> None:
    """Only the axes that are read, and a faint grid behind."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis=grid, color="#e4e4e4", linewidth=0.7)
    axis.set_axisbelow(True)


def show_picture(axis, picture: np.ndarray) -> None:
    """A picture without axes around it."""
    axis.imshow(picture, interpolation="auto")  # nearest when it grows, smooth when it shrinks
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def row_title(axis, text: str) -> None:
    axis.set_ylabel(text, fontsize=10.5, rotation=0, ha="right", va="center", labelpad=8)


def listed(texts: Sequence[str]) -> str:
    return ", ".join(text for text in texts if text)


def numbers(values: np.ndarray | torch.Tensor) -> np.ndarray:
    """Whatever holds numbers, on whatever device, as float64."""
    return torch.as_tensor(values).detach().cpu().double().numpy()
