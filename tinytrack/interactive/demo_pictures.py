"""The pictures that the demos show, as plain functions that turn numbers into uint8 RGB."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..color import Palette, frames_to_lab, lab_to_frames
from ..draw.pictures import magnified, nearest, shades, side_by_side, swatches, to_gray
from ..draw.style import OTHERS, STYLES, chart, color, label, numbers, plain_axes
from ..io.frames import rescale

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def palette_picture(frame: np.ndarray, palette: Palette, width: int = 320) -> np.ndarray:
    """Show what a palette keeps of a frame, for ``palette_explorer``.

    Three panels show the frame, the frame in the palette's colours, and those colours alone (doubled, at L = 65). Below them is one
    swatch per colour, as wide as the colour's share of the frame.

    Args:
        frame: uint8 RGB (H, W, 3).
        palette: K colours.
        width: approximate width of each of the three panels, in pixels.
    """
    # the frame in the palette's colours, with its own L and without
    lab = frames_to_lab(frame)
    ids = palette.hard(lab[1:])
    ab = palette.decode(ids)
    own = lab_to_frames(torch.cat([lab[:1], ab]))
    alone = lab_to_frames(torch.cat([torch.full_like(lab[:1], 65), 2 * ab]))
    # the three panels
    panels = [magnified(picture, width)[0] for picture in (frame, own, alone)]
    sheet = side_by_side(panels, ["the frame", f"in {len(palette)} colours, with its own L", "the colours alone, doubled"])
    # the swatches: each column of the strip has the colour at that point of the cumulative shares
    shares = np.bincount(ids.flatten().numpy(), minlength=len(palette))
    column = np.searchsorted(shares.cumsum(), np.arange(sheet.shape[1]) * ids.numel() / sheet.shape[1], side="right")
    colors = swatches(palette, 65.0, 1)[0][column.clip(max=len(palette) - 1)]
    gap, strip = np.full((6, sheet.shape[1], 3), 255, np.uint8), colors[None].repeat(28, axis=0)
    return np.concatenate([sheet, gap, strip])


def aim(frame: np.ndarray, xy: Sequence[float], width: int = 360) -> np.ndarray:
    """Enlarge a frame to about ``width`` pixels and draw a ring around the pixel xy = (x, y): uint8 RGB."""
    from PIL import Image, ImageDraw

    large, _ = magnified(frame, width)
    x, y = rescale(xy, frame.shape[:2], large.shape[:2])
    picture = Image.fromarray(large)
    draw = ImageDraw.Draw(picture)
    for r, fill, line in ((8, (255, 255, 255), 5), (7, (213, 94, 0), 2)):
        draw.ellipse([x - r, y - r, x + r, y + r], outline=fill, width=line)
    return np.array(picture)


def attention_picture(
    frame: np.ndarray, heat: np.ndarray | torch.Tensor, peak: float, box: Sequence[float] | None = None, width: int = 240
) -> np.ndarray:
    """Show where a pixel points in one reference frame, for ``pointer_explorer``: gray, with the attended cells from blue to yellow.

    A ring marks the strongest cell, unless it has less than a quarter of the peak.

    Args:
        frame: uint8 RGB (H, W, 3).
        heat: (h, w) attention.
        peak: the attention that is drawn at full strength: the largest over all references.
        box: left, top, right and bottom of the window in pixels of the frame, drawn dashed; None: no window.
        width: approximate width of the picture, in pixels.
    """
    from PIL import Image, ImageDraw

    # blend the attention over the gray frame
    large, _ = magnified(to_gray(frame), width)
    values = numbers(heat)
    bright = nearest(np.sqrt(values / max(peak, 1e-12)).clip(0, 1), *large.shape[:2])  # without the root, only the peak would be visible
    alpha = np.where(bright > 0.02, 0.25 + 0.7 * bright, 0.25)[..., None]  # dim the whole frame a little, so that faint cells show
    picture = Image.fromarray((large * (1 - alpha) + shades(bright) * alpha).round().astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    # a ring around the strongest cell
    if values.max() >= peak / 4 and values.max() > 0:
        row, column = np.unravel_index(values.argmax(), values.shape)
        cell = np.array([large.shape[1] / values.shape[1], large.shape[0] / values.shape[0]])
        x, y = rescale((column, row), values.shape, large.shape[:2])
        r = cell.max() + 4
        draw.ellipse([x - r, y - r, x + r, y + r], outline=(255, 255, 255))
    # the window, dashed
    if box is not None:
        left, top, right, bottom = rescale(np.reshape(box, (2, 2)), frame.shape[:2], large.shape[:2]).ravel()
        for start in np.arange(left, right, 8):
            for y in (top, bottom):
                draw.line([start, y, min(start + 4, right), y], fill=(255, 255, 255))
        for start in np.arange(top, bottom, 8):
            for x in (left, right):
                draw.line([x, start, x, min(start + 4, bottom)], fill=(255, 255, 255))
    return np.array(picture)


def _small_chart(size: tuple[int, int]):
    """Create a figure of (width, height) pixels for a demo; return it and its axes."""
    figure = chart(size[0] / 100, size[1] / 100)
    figure.set_dpi(100)
    axis = figure.subplots()
    plain_axes(axis)
    return figure, axis


def _pixels(figure: "Figure") -> np.ndarray:
    """Render a figure as uint8 RGB (H, W, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def score_picture(
    curves: Mapping[str, Mapping[int, float]], frames: int, metric: str = "J", size: tuple[int, int] = (820, 150)
) -> tuple[np.ndarray, tuple[float, float]]:
    """Plot scores in percent against the frame number, for ``player``: a low chart, and where the frames lie on it.

    Args:
        curves: name -> {frame: score in [0, 1]}.
        frames: number of frames of the video.
        size: (width, height) in pixels.

    Returns:
        uint8 RGB (H, W, 3), and the x positions (in pixels) of frame 0 and of the last frame.
    """
    # one curve per name; markers only where there are few enough to tell apart
    figure, axis = _small_chart(size)
    spare = itertools.cycle(OTHERS)
    for name, scores in curves.items():
        hue = color(name) if name in STYLES else next(spare)
        marker = "o" if len(scores) <= 40 else ""
        look = {"color": hue, "linewidth": 1.8, "marker": marker, "markersize": 3.5, "label": label(name)}
        axis.plot(list(scores), [100 * s for s in scores.values()], **look)
    # axes and legend
    axis.set_xlim(0, max(1, frames - 1))
    axis.set_ylim(0, 103)
    axis.set_ylabel(f"{metric} (%)", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.legend(frameon=False, fontsize=8, loc="lower left", ncols=4)
    # the layout is only final once the figure has been drawn
    picture = _pixels(figure)
    box = axis.get_window_extent()
    return picture, (float(box.x0), float(box.x1))


def with_cursor(picture: np.ndarray, x: float) -> np.ndarray:
    """Return a copy of the picture with a vertical line at x."""
    result = picture.copy()
    left = int(np.clip(round(x) - 1, 0, picture.shape[1] - 2))
    result[:, left : left + 2] = (213, 94, 0)
    return result


def emergence_picture(
    losses: Sequence[float], marks: Sequence[int] = (), size: tuple[int, int] = (460, 260), level: float | None = None
) -> np.ndarray:
    """Plot the loss of a training run in progress, for ``emergence``: one dot per step, a line of means, ticks at checkpoints.

    Args:
        losses: (S,) in nats, one per step.
        marks: steps at which a checkpoint was kept.
        size: (width, height) in pixels.
        level: a loss that is reached without training, drawn as a horizontal line; None: no line.

    Returns:
        uint8 RGB (H, W, 3).
    """
    # one dot per step, and their running mean
    figure, axis = _small_chart(size)
    values = np.asarray(losses, np.float64)
    steps = np.arange(1, len(values) + 1)
    axis.plot(steps, values, ".", markersize=2.5, color="#D55E00", alpha=0.35)
    if len(values):
        near = max(1, len(values) // 20)
        means = np.array([values[max(0, n - near) : n].mean() for n in steps])
        axis.plot(steps, means, color="#D55E00", linewidth=2)
    # the level, and the checkpoints
    if level is not None:
        axis.axhline(level, linestyle="--", linewidth=1.2, color="#0072B2")
        axis.text(
            0.99, level, "pointing evenly", ha="right", va="bottom", fontsize=8, color="#0072B2", transform=axis.get_yaxis_transform()
        )
    for step in marks:
        axis.axvline(step, ymax=0.05, color="#555555", linewidth=1)
    # axes; the vertical one fits the last 200 steps
    axis.set_xlim(0, max(10, len(values)))
    top = max([*values[-200:], level or 0.0, 0.1]) if len(values) else max(3.0, level or 0.0)
    axis.set_ylim(0, 1.15 * top)
    axis.set_xlabel("training step", fontsize=9)
    axis.set_ylabel("loss (nats per pixel)", fontsize=9)
    axis.tick_params(labelsize=8)
    return _pixels(figure)
