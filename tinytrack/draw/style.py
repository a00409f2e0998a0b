"""One look for all pictures and figures: a colour per object and per method, and figures with alt text."""

import base64
import functools
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Colours of objects: distinct on gray and on colour pictures. The first eight are so for most colour-blind readers too (Okabe and Ito
# 2008, brightened); each later one is as far from all before it as possible, in Lab, so that few videos need a colour twice.
COLORS = np.array(
    [
        [230, 60, 60], [60, 150, 255], [255, 200, 40], [70, 200, 110], [220, 110, 230], [255, 140, 40], [90, 220, 230], [120, 80, 240],
        [105, 90, 45], [0, 255, 0], [255, 180, 195], [0, 90, 120], [150, 45, 90], [225, 225, 165], [195, 240, 0], [255, 0, 150],
        [240, 0, 255], [0, 120, 90], [135, 150, 15], [75, 0, 255], [105, 75, 150], [195, 195, 255], [0, 105, 0], [150, 75, 0],
    ],
    np.uint8,
)  # fmt: skip
# Labels and colours of methods: distinct for colour-blind readers too (the eight colours of Okabe and Ito 2008, and gray).
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
# Colours of curves that are not a method of :data:`STYLES`, used in this order.
OTHERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = "osD^vPX*"  # used with the colours, so that curves can also be told apart in gray print
DPI = 150
SCREEN_DPI = 100  # of a figure in a notebook: nine inches fill the column of JupyterLab


def object_color(n: int) -> np.ndarray:
    """Return the colour of object (or keypoint) n = 1, 2, ...: uint8 (3,)."""
    return COLORS[(n - 1) % len(COLORS)]


def label(method: str) -> str:
    """Return the name under which readers see a method."""
    return STYLES.get(method, (method, ""))[0]


def color(method: str) -> str:
    """Return the colour of a method; gray for a method without its own."""
    return STYLES.get(method, ("", "#888888"))[1]


def chart(width: float, height: float, alt: str = "") -> "Figure":
    """Make an empty figure, sized in inches, that shows itself at the end of a notebook cell; ``alt`` describes it in words.

    The background is white, so that the figure is legible on a dark page too; the layout is "constrained", so that nothing overlaps.
    """
    from matplotlib.figure import Figure  # here, because it takes a fifth of a second and most commands draw no figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    figure.alt = " ".join(alt.split())
    figure._repr_mimebundle_ = functools.partial(_for_notebook, figure)
    return figure


def _for_notebook(figure: "Figure", include=None, exclude=None) -> tuple[dict, dict]:
    """Return what Jupyter displays for a figure: its data by type, and metadata with the alt text."""
    kind, data = "image/png", _encoded(figure, "png")
    if len(data) > 80_000:  # photographs: JPEG takes a quarter of the space
        kind, data = "image/jpeg", _encoded(figure, "jpeg", pil_kwargs={"quality": 88, "subsampling": 0})
    return picture_bundle(kind, data, figure.alt)


def picture_bundle(kind: str, data: bytes, alt: str) -> tuple[dict, dict]:
    """Return what Jupyter displays for the contents of a picture file: the data by type, and metadata with the alt text."""
    return {kind: base64.b64encode(data).decode(), "text/plain": alt}, {kind: {"alt": alt}}


def _encoded(figure: "Figure", form: str, **options) -> bytes:
    """Return the contents of the figure's picture file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=SCREEN_DPI, facecolor="white", bbox_inches="tight", pad_inches=0.08, **options)
    return buffer.getvalue()


def plain_axes(axis, grid: str = "both") -> None:
    """Keep only the left and the bottom axis, and draw a faint grid behind the data."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis=grid, color="#e4e4e4", linewidth=0.7)
    axis.set_axisbelow(True)


def show_picture(axis, picture: np.ndarray) -> None:
    """Show a picture without axes around it."""
    axis.imshow(picture, interpolation="auto")  # nearest neighbour when it grows, smooth when it shrinks
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def row_title(axis, text: str) -> None:
    """Write the title of a row of panels, left of its first one."""
    axis.set_ylabel(text, fontsize=10.5, rotation=0, ha="right", va="center", labelpad=8)


def listed(texts: Sequence[str]) -> str:
    """Join the texts that are not empty with commas."""
    return ", ".join(text for text in texts if text)


def numbers(values: np.ndarray | torch.Tensor) -> np.ndarray:
    """Convert an array, or a tensor on any device, to a float64 array."""
    return torch.as_tensor(values).detach().cpu().double().numpy()
