"""Diagrams that explain the method: the whole pipeline, its network, its pointer, a training clip, and propagation through time.

A part of the method has the same colour in all of them, see :data:`PARTS`. Positions and sizes are in inches, from the lower left corner.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..embed import TinyNet
from ..pointer import affinity, copy, pixels
from ..propagate import MODERN
from .pictures import overlay, skeleton, to_gray
from .style import chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The parts of the method: the colour and the two lines of a box, and the words for the alt text.
PARTS = {
    "colors": ("#AD7200", "colours", "", "the colours of the reference frames"),
    "embed": ("#0072B2", "embed", "", "embed"),
    "point": ("#D55E00", "point", "Eq. 2", "point (Eq. 2)"),
    "copy": ("#00825C", "copy", "Eq. 1", "copy (Eq. 1)"),
    "loss": ("#B3367C", "loss", "Eq. 3", "the loss (Eq. 3)"),
    "track": ("#6A51A3", "track", "", "track"),
}
HUES = {name: part[0] for name, part in PARTS.items()}
INK, QUIET, MUTED = "#222222", "#666666", "#777777"
# The toy scene in the colours of the worked example: the ground, and two shades of a yellow and of a blue object.
GROUND, YELLOW, BLUE = (113, 122, 98), ((255, 200, 107), (245, 169, 82)), ((0, 34, 95), (31, 55, 120))


def pipeline(highlight: Sequence[str] = ()) -> "Figure":
    """Draw the whole method: what happens to a frame, and what the copied labels are for in training and in tracking.

    Args:
        highlight: the parts to draw in colour while the others turn gray, any of "colors", "embed", "point", "copy", "loss" and
            "track". If there are none, all parts are in colour.
    """
    highlight = [highlight] if isinstance(highlight, str) else list(highlight)
    for name in highlight:
        if name not in PARTS:
            raise ValueError(f"the pipeline has no part {name!r}: expected some of {', '.join(PARTS)}")
    on = [name for name in PARTS if name in highlight or not highlight]
    # the alt text
    marked = ", ".join(PARTS[name][3] for name in on) if highlight else "no part"
    alt = f"""Diagram of the method. Gray versions of the reference frames and of the target frame are embedded. Then the target frame
        points at the reference frames (Eq. 2) and copies their colours (Eq. 1). In training, the loss compares the copied colours with
        the true colours (Eq. 3). In tracking, masks or keypoints are copied instead of colours. Highlighted: {marked}."""
    figure, axis = _canvas(8.8, 2.48, alt)
    # the frames, on the left
    frames, ids, points = _toy_video(4)
    _words(axis, 0.6, 2.38, "reference frames")
    for n, frame in enumerate(frames[:3]):
        _picture(axis, frame, 0.1 + 0.1 * n, 1.61 - 0.08 * n, 0.8)
    _picture(axis, to_gray(frames[3]), 0.2, 0.37, 0.8)
    _words(axis, 0.6, 0.23, "target frame")
    _arrow(axis, [(1.16, 1.98), (1.75, 1.98)])
    _arrow(axis, [(1.16, 1.68), (1.45, 1.68), (1.45, 1.28), (1.75, 1.28)])
    _arrow(axis, [(1.06, 0.67), (1.45, 0.67), (1.45, 0.92), (1.75, 0.92)])
    _words(axis, 1.42, 1.1, "gray", QUIET)
    # the parts, from left to right
    _part(axis, "colors", (1.75, 1.78, 0.95, 0.4), on)
    for name, x in (("embed", 1.75), ("point", 3.1), ("copy", 4.45)):
        _part(axis, name, (x, 0.75, 0.95, 0.7), on)
    _arrow(axis, [(2.7, 1.98), (4.92, 1.98), (4.92, 1.45)])
    _words(axis, 3.8, 2.12, "or masks, keypoints", QUIET)
    _arrow(axis, [(2.7, 1.1), (3.1, 1.1)])
    _arrow(axis, [(4.05, 1.1), (4.45, 1.1)])
    # what the copy is for, on the right
    _panel(axis, "in training", (5.82, 1.28, 2.93, 1.14))
    _picture(axis, frames[3], 5.97, 1.54, 0.7)
    _words(axis, 6.32, 1.41, "copied")
    _part(axis, "loss", (6.9, 1.5, 0.77, 0.6), on)
    _picture(axis, frames[3], 7.9, 1.54, 0.7)
    _words(axis, 8.25, 1.41, "true")
    _panel(axis, "in tracking", (5.82, 0.04, 2.93, 1.14))
    _part(axis, "track", (5.95, 0.26, 0.85, 0.6), on)
    scene = to_gray(frames[3])
    _picture(axis, overlay(scene, ids[3]), 7.05, 0.3, 0.7)
    _picture(axis, skeleton(scene, points[3], [(0, 1)], 1.2), 7.9, 0.3, 0.7)
    _words(axis, 7.4, 0.17, "masks")
    _words(axis, 8.25, 0.17, "keypoints")
    _arrow(axis, [(5.4, 1.24), (5.62, 1.24), (5.62, 1.8), (5.95, 1.8)])
    _arrow(axis, [(5.4, 0.96), (5.62, 0.96), (5.62, 0.56), (5.95, 0.56)])
    _arrow(axis, [(6.69, 1.8), (6.9, 1.8)])
    _arrow(axis, [(7.88, 1.8), (7.67, 1.8)])
    _arrow(axis, [(6.8, 0.56), (7.03, 0.56)])
    return figure


def network_diagram() -> "Figure":
    """Draw TinyNet: its layers, and the shapes of the maps between them for a frame of 144x176 pixels."""
    # run an untrained network, and note the shape after each part; random numbers of the notebook stay as they are
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        net = TinyNet()
        maps = [torch.zeros(1, net.channels, 144, 176)]
        for part in (net.stem[:3], net.stem[3:], net.blocks, net.head):
            maps.append(part(maps[-1]))
    shapes = [tuple(x.shape[1:]) for x in maps]
    shown = [" × ".join(map(str, shape)) for shape in shapes]
    kernels = [f"{conv.kernel_size[0]}×{conv.kernel_size[1]}" for conv in (net.stem[0], net.stem[3], net.blocks[0].conv1, net.head)]
    strides = [conv.stride[0] for conv in (net.stem[0], net.stem[3])]
    dilations = [block.conv1.dilation[0] for block in net.blocks]
    alt = f"""Diagram of TinyNet. Its input is a gray frame, {shown[0]} numbers. A {kernels[0]} convolution with stride {strides[0]} gives
        {shown[1]}, and a {kernels[1]} convolution with stride {strides[1]} gives {shown[2]}. {len(dilations)} residual blocks of two
        {kernels[2]} convolutions each, with dilations {", ".join(map(str, dilations))}, and a {kernels[3]} convolution keep the grid.
        The output is {shown[4]}: {net.dim} numbers for each cell, scaled to length one."""
    figure, axis = _canvas(9.0, 2.45, alt)
    # the maps
    middle = 1.45
    _picture(axis, to_gray(_toy_video(1)[0][0]), 0.1, middle - 0.53, 1.3)
    for n, x in ((1, 2.8), (2, 4.46), (4, 8.52)):
        _slab(axis, x, middle, shapes[n])
    for n, x, what in ((0, 0.75, "gray frame"), (1, 2.8, "channels × height × width"), (2, 4.46, ""), (4, 8.52, "embeddings")):
        _words(axis, x, 0.36, shown[n])
        _words(axis, x, 0.16, what, QUIET)
    # the stem
    _panel(axis, "stem", (1.48, 0.6, 2.66, 1.8))
    for n, x in ((0, 1.57), (1, 3.37)):
        _box(axis, (x, middle - 0.4, 0.68, 0.8), HUES["embed"], "conv", f"{kernels[n]}\nstride {strides[n]}")
    # the residual blocks, each with its shortcut
    _panel(axis, f"{len(dilations)} residual blocks", (4.82, 0.6, 1.95, 1.8))
    _words(axis, 5.8, middle + 0.52, "dilation", QUIET)
    for n, dilation in enumerate(dilations):
        x = 4.93 + 0.46 * n
        _box(axis, (x, middle - 0.4, 0.34, 0.8), HUES["embed"], str(dilation))
        _arc(axis, x - 0.06, x + 0.4, middle - 0.4, -0.2, QUIET)
    _words(axis, 5.8, 0.74, f"two {kernels[2]} convs each", QUIET)
    # the head
    _panel(axis, "head", (6.85, 0.6, 1.34, 1.8))
    _box(axis, (6.93, middle - 0.4, 0.56, 0.8), HUES["embed"], "conv", kernels[3])
    _box(axis, (7.55, middle - 0.4, 0.56, 0.8), HUES["embed"], "unit", "length")
    for left, right in ((1.4, 1.57), (2.25, 2.42), (3.2, 3.37), (4.05, 4.2), (4.74, 4.93), (6.65, 6.93), (8.11, 8.24)):
        _arrow(axis, [(left, middle), (right, middle)])
    return figure


def pointer_diagram() -> "Figure":
    """Draw how one cell is coloured: it compares itself with all reference cells (Eq. 2) and copies their colours by weight (Eq. 1)."""
    # three frames of the worked example's size, embedded by lightness
    frames, cell = _toy_grids(), (1, 1)
    angle = torch.from_numpy(to_gray(frames)[..., 0] / 255 * np.pi)
    f = torch.stack([angle.cos(), angle.sin()], dim=1)
    labels = pixels(torch.from_numpy(frames[None, :2] / 255).movedim(-1, 2))
    A = affinity(pixels(f[None, 2]), pixels(f[None, :2]), 0.02)
    index = cell[0] * 4 + cell[1]
    weights, copied = A[0, index].unflatten(0, (2, 4, 4)).numpy(), copy(A, labels)[0, index].numpy()
    alt = f"""Diagram of the pointer. One cell of the target frame is compared with all {weights.size} cells of two reference frames.
        The softmax turns the similarities into {weights.size} weights that sum to one, a row of A; the two largest are
        {np.sort(weights, axis=None)[-1]:.2f} and {np.sort(weights, axis=None)[-2]:.2f}. The weighted mean of the colours of the reference
        cells is the colour that the target cell copies."""
    figure, axis = _canvas(8.8, 3.55, alt)
    # the target frame with its cell, and lines to all reference cells: the larger the weight, the heavier the line
    side, tops = 1.3, (1.8, 0.3)
    _grid(axis, to_gray(frames[2]) / 255, 0.1, 1.05, side)
    spot = 0.1 + side * (cell[1] + 0.5) / 4, 1.05 + side * (3.5 - cell[0]) / 4
    for (n, r, c), weight in np.ndenumerate(weights):
        end = 2.4 + side * (c + 0.5) / 4, tops[n] + side * (3.5 - r) / 4
        axis.plot(*zip(spot, end, strict=True), color=HUES["point"], linewidth=0.5 + 3 * weight, alpha=0.25 + 0.75 * weight, zorder=4)
    axis.plot(*spot, "o", markersize=11, color=HUES["point"], markeredgecolor="white", markeredgewidth=1.5, zorder=5)
    # references, weights and labels, all in the same places
    for n, y in enumerate(tops):
        _grid(axis, to_gray(frames[n]) / 255, 2.4, y, side)
        _grid(axis, 1 - weights[n][..., None] ** 0.5 * (1 - _rgb(HUES["point"])), 4.55, y, side, "#d8d8d8")
        _grid(axis, frames[n] / 255, 6.25, y, side)
        for (r, c), weight in np.ndenumerate(weights[n]):
            if weight >= 0.01:
                _words(axis, 4.55 + side * (c + 0.5) / 4, y + side * (3.5 - r) / 4, f"{weight:.2f}", size=8.5)
        _words(axis, 6.05, y + side / 2, "×", size=15)
        _arrow(axis, [(3.8, y + side / 2), (4.47, y + side / 2)], HUES["point"])
        _arrow(axis, [(7.63, y + side / 2), (8.05, 1.7 + 0.25 * (1 - 2 * n))], HUES["copy"])
    _grid(axis, copied[None, None], 8.1, 1.4, 0.6)
    # titles
    for x, text, name in (
        (0.75, "target frame", ""),
        (3.05, "reference frames", ""),
        (5.2, "row of A (Eq. 2)", "point"),
        (6.9, "labels", "colors"),
    ):
        _words(axis, x, 3.27, text, HUES.get(name, INK), weight="bold")
    _words(axis, 8.4, 2.3, "copy\n(Eq. 1)", HUES["copy"], weight="bold")
    _words(axis, 8.4, 1.14, "weighted\nmean", HUES["copy"])
    _words(axis, 1.75, 2.8, "compare", HUES["point"])
    _words(axis, 4.13, 2.6, "softmax", HUES["point"])
    _words(axis, 5.2, 0.13, f"the {weights.size} weights sum to 1", HUES["point"])
    return figure


def clip_diagram(frames: np.ndarray) -> "Figure":
    """Draw one training clip: what the network sees, what is copied, and what the copy is compared with.

    Args:
        frames: uint8 RGB (4, H, W, 3): three reference frames, then the target frame.
    """
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[0] != 4 or frames.shape[3] != 3:
        raise ValueError(f"a training clip must be a uint8 array (4, H, W, 3), got {frames.dtype} {frames.shape}")
    alt = """Diagram of one training clip. The network embeds gray versions of three reference frames and of the target frame. The target
        frame points at the reference frames (Eq. 2) and copies their colours (Eq. 1). The loss (Eq. 3) compares the copied colours with
        the target's true colours, which the network never sees."""
    figure, axis = _canvas(8.9, 3.75, alt)
    # the frames: pictures of at most 1.25 x 1 inches, centred in three lanes
    width = min(1.25, frames.shape[2] / frames.shape[1])
    height = width * frames.shape[1] / frames.shape[2]
    lanes, columns = (2.9, 1.75, 0.6), (0.72, 2.03, 3.34)
    spots = [(x, y, picture) for n, x in enumerate(columns) for y, picture in ((lanes[0], frames[n]), (lanes[1], to_gray(frames[n])))]
    for x, y, picture in [*spots, (columns[2], lanes[2], to_gray(frames[3])), (8.1, lanes[2], frames[3])]:
        _picture(axis, picture, x - width / 2, y - height / 2, width)
    _words(axis, columns[1], 3.58, "three reference frames", weight="bold")
    _words(axis, columns[1] + 0.5, lanes[2], "target frame\nin gray", ha="right", weight="bold")
    _words(axis, 8.1, 1.25, "true colours", HUES["loss"], weight="bold")
    # the parts
    _part(axis, "embed", (4.45, 0.25, 0.85, 1.85))
    _part(axis, "point", (5.8, 0.25, 0.95, 1.85))
    _part(axis, "copy", (5.8, 2.55, 0.95, 0.7))
    _part(axis, "loss", (7.62, 2.55, 0.95, 0.7))
    right = columns[2] + width / 2 + 0.05
    _arrow(axis, [(right, lanes[0]), (5.8, lanes[0])], HUES["colors"])
    _words(axis, 4.9, lanes[0] + 0.13, "their colours", HUES["colors"])
    for y in lanes[1:]:
        _arrow(axis, [(right, y), (4.45, y)])
        _arrow(axis, [(5.3, y), (5.8, y)])
    _arrow(axis, [(6.27, 2.1), (6.27, 2.55)])
    _words(axis, 6.34, 2.32, "weights", QUIET, ha="left")
    _arrow(axis, [(6.75, lanes[0]), (7.62, lanes[0])])
    _words(axis, 7.18, lanes[0] + 0.13, "copied", QUIET)
    _arrow(axis, [(8.1, 1.4), (8.1, 2.55)])
    return figure


def propagation_diagram() -> "Figure":
    """Draw the reference frames of two target frames under the protocol "modern": a result becomes a reference for the next frame."""
    last = len(MODERN.back)
    target = last + 3
    frames, ids, _ = _toy_video(target + 2)
    alt = f"""Diagram of propagation through time. The labels of frame 0 are true. Frame {target} points at frame 0 and at the last {last}
        frames, {target - last} to {target - 1}, and copies their labels. Its result becomes a reference for frame {target + 1}, which
        points at frame 0 and at frames {target + 1 - last} to {target}."""
    figure, axis = _canvas(8.8, 3.9, alt)
    pitch = 8.7 / len(frames)
    middles = 0.05 + pitch * (np.arange(len(frames)) + 0.5)
    # a row of frames for each of the two targets: the upper one has its arrows above, the lower one below
    for index, y, way in ((target, 2.2, 1), (target + 1, 1.05, -1)):
        references = MODERN.references(index)
        kinds = {n: "point" for n in references} | {0: "colors", index: "copy"}
        for n, (frame, mask) in enumerate(zip(frames, ids, strict=True)):
            picture = overlay(to_gray(frame), mask) if n <= index else to_gray(frame)
            _picture(axis, picture, middles[n] - 0.32, y, 0.64, HUES.get(kinds.get(n, "")), 1.0 if n in kinds else 0.25)
        for n in references:
            _arc(axis, middles[index], middles[n], y + (0.54 if way > 0 else -0.02), way * (0.25 + 0.08 * (middles[index] - middles[n])))
    # words
    for n, x in enumerate(middles):
        _words(axis, x, 2.08, str(n))
    _words(axis, middles[0], 1.77, "true\nlabels", HUES["colors"], va="center")
    _words(axis, 4.4, 3.75, f"Frame {target} points at frame 0 and at the last {last} frames, and copies their labels.", size=10.5)
    _words(
        axis, 4.4, 0.12, f"Frame {target + 1} points at frame 0 and at the last {last} frames, which now include frame {target}.", size=10.5
    )
    _arrow(axis, [(middles[target], 1.98), (middles[target], 1.62)], HUES["copy"])
    _words(axis, middles[target] - 0.1, 1.8, f"the result of frame {target} becomes a reference", HUES["copy"], ha="right")
    return figure


def _canvas(width: float, height: float, alt: str) -> tuple["Figure", "Axes"]:
    """Make an empty figure whose coordinates are inches."""
    figure = chart(width, height, alt)
    figure.set_layout_engine("none")
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height), autoscale_on=False)
    axis.set_axis_off()
    return figure, axis


def _part(axis: "Axes", name: str, spot: tuple[float, float, float, float], on: Sequence[str] = tuple(PARTS)) -> None:
    """Draw the box of a part of the method at ``spot`` (x, y, width, height): in its colour if it is on, else in gray."""
    hue, title, note, _ = PARTS[name]
    _box(axis, spot, hue if name in on else None, title, note)


def _box(axis: "Axes", spot: tuple[float, float, float, float], hue: str | None, title: str, note: str = "") -> None:
    """Draw a box with a bold title and a note; without a hue it is gray."""
    x, y, width, height = spot
    fill, ink, edge = (hue, "white", hue) if hue else ("#f1f1f1", MUTED, "#d0d0d0")
    _rounded(axis, spot, fill, edge, 3)
    lines = note.count("\n") + 1 if note else 0
    axis.text(x + width / 2, y + height / 2 + 0.085 * lines, title, ha="center", va="center", color=ink, size=11.5, weight="bold", zorder=4)
    if note:
        axis.text(x + width / 2, y + height / 2 - 0.1, note, ha="center", va="center", color=ink, size=9.5, zorder=4)


def _panel(axis: "Axes", title: str, spot: tuple[float, float, float, float]) -> None:
    """Draw a pale background with a title at its top, behind everything else."""
    x, y, width, height = spot
    _rounded(axis, spot, "#f5f7fa", "#e1e6ec", 0)
    _words(axis, x + width / 2, y + height - 0.14, title, QUIET)


def _rounded(axis: "Axes", spot: tuple[float, float, float, float], fill: str, edge: str, order: int) -> None:
    """Draw a rectangle with round corners."""
    from matplotlib.patches import FancyBboxPatch

    x, y, width, height = spot
    inner = (x + 0.07, y + 0.07), width - 0.14, height - 0.14
    axis.add_patch(FancyBboxPatch(*inner, "round,pad=0.07", facecolor=fill, edgecolor=edge, linewidth=1, zorder=order))


def _arrow(axis: "Axes", corners: Sequence[tuple[float, float]], hue: str = QUIET) -> None:
    """Draw an arrow along straight lines from corner to corner."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    look = {"arrowstyle": "-|>", "mutation_scale": 11, "linewidth": 1.4, "color": hue, "joinstyle": "miter"}
    axis.add_patch(FancyArrowPatch(path=Path(list(corners)), zorder=5, **look))


def _arc(axis: "Axes", start: float, end: float, y: float, rise: float, hue: str = HUES["point"]) -> None:
    """Draw a curved arrow from x = start to x = end at height y, which bends upwards, or downwards if ``rise`` is negative."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    path = Path([(start, y), (start, y + rise), (end, y + rise), (end, y)], [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    axis.add_patch(FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=9, linewidth=1.2, color=hue, zorder=5))


def _picture(axis: "Axes", picture: np.ndarray, x: float, y: float, width: float, hue: str | None = None, alpha: float = 1.0) -> None:
    """Show a picture (H, W, 3) with its lower left corner at (x, y), in a white frame or one of colour ``hue``."""
    from matplotlib.patches import Rectangle

    height = width * picture.shape[0] / picture.shape[1]
    axis.imshow(picture, extent=(x, x + width, y, y + height), aspect="auto", alpha=alpha, zorder=2)
    axis.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=hue or "white", linewidth=2.2 if hue else 1.2, zorder=2))


def _grid(axis: "Axes", colors: np.ndarray, x: float, y: float, width: float, edge: str = "white") -> None:
    """Draw the cells of a small picture (h, w, 3) in [0, 1] as squares, its lower left corner at (x, y)."""
    from matplotlib.patches import Rectangle

    side = width / colors.shape[1]
    for (r, c), color in zip(np.ndindex(colors.shape[:2]), colors.reshape(-1, 3), strict=True):
        corner = (x + side * c, y + side * (colors.shape[0] - 1 - r))
        axis.add_patch(Rectangle(corner, side, side, facecolor=color, edgecolor=edge, linewidth=1, zorder=2))


def _slab(axis: "Axes", x: float, y: float, shape: tuple[int, int, int]) -> None:
    """Draw a map of ``shape`` (channels, rows, columns) as a block around (x, y), as deep as it has channels."""
    from matplotlib.patches import Polygon

    channels, rows, columns = shape
    w, h, d = 1.3 * columns / 176, 1.3 * rows / 176, 0.0035 * channels
    left, bottom = x - (w + d) / 2, y - (h + d) / 2
    faces = {
        "#8fc1e3": [(0, 0), (w, 0), (w, h), (0, h)],
        "#bcdcf1": [(0, h), (w, h), (w + d, h + d), (d, h + d)],
        "#5f9fcb": [(w, 0), (w + d, d), (w + d, h + d), (w, h)],
    }
    for hue, corners in faces.items():
        axis.add_patch(Polygon([(left + a, bottom + b) for a, b in corners], facecolor=hue, edgecolor="white", linewidth=0.8, zorder=2))


def _words(axis: "Axes", x: float, y: float, text: str, hue: str = INK, **look) -> None:
    """Write text, by default centred at (x, y)."""
    axis.text(x, y, text, color=hue, zorder=6, **{"ha": "center", "va": "center", "size": 9.5} | look)


def _rgb(hue: str) -> np.ndarray:
    """Convert a colour's name to (3,) numbers in [0, 1]."""
    from matplotlib.colors import to_rgb

    return np.array(to_rgb(hue))


def _toy_video(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make a video of a yellow and a blue square that move: frames uint8 (T, 36, 44, 3), object ids (T, 36, 44), centres (T, 2, 2)."""
    frames = np.full((count, 36, 44, 3), GROUND, np.uint8)
    ids, centers = np.zeros((count, 36, 44), np.uint8), np.empty((count, 2, 2))
    for t in range(count):
        step = round(26 * t / max(1, count - 1))
        for n, (x, y, color) in enumerate(((3 + step, 4, YELLOW[0]), (29 - step, 20, BLUE[0]))):
            frames[t, y : y + 12, x : x + 12] = color
            ids[t, y : y + 12, x : x + 12] = n + 1
            centers[t, n] = x + 5.5, y + 5.5
    return frames, ids, centers


def _toy_grids() -> np.ndarray:
    """Make two reference frames and a target frame of 4x4 cells: uint8 (3, 4, 4, 3)."""
    frames = np.full((3, 4, 4, 3), GROUND, np.uint8)
    for t, (yellow, blue) in enumerate((((0, 0), (2, 3)), ((0, 1), (1, 3)), ((1, 1), (2, 2)))):
        frames[t, yellow[0], yellow[1] : yellow[1] + 2] = YELLOW
        frames[t, blue[0] : blue[0] + 2, blue[1]] = BLUE
    return frames
