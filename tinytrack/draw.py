"""What a reader sees: overlays on pictures, and the figures of the notebooks. One colour an object and a method everywhere.

Pictures are uint8 RGB arrays (H, W, 3), in and out. Figures are :func:`chart`: the last expression of a notebook's cell shows
one, and its description goes along as alt text. The charts of the report are made of the same parts in ``plots``.
"""

import base64
import functools
import io
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from .color import Palette, chroma, frames_to_lab, lab_to_frames
from .track import Carried, paint

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
OTHERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""For curves that are no method of :data:`STYLES`, in order."""
MARKERS = "osD^vPX*"
"""Beside the colour, so that curves are told apart in gray print too."""

DPI = 150
SCREEN_DPI = 100
"""Of a figure in a notebook: nine inches fill the column of JupyterLab."""


def object_color(n: int) -> np.ndarray:
    """The colour of object (or joint) n = 1, 2, ...: uint8 (3,)."""
    return COLORS[(n - 1) % len(COLORS)]


def label(method: str) -> str:
    """A method's name as a reader meets it."""
    return STYLES.get(method, (method, ""))[0]


def color(method: str) -> str:
    """A method's colour, gray for one that has none of its own."""
    return STYLES.get(method, ("", "#888888"))[1]


def to_gray(frame: np.ndarray) -> np.ndarray:
    """A frame as the network sees it, L of Lab, as gray RGB uint8 (..., H, W, 3)."""
    lab = frames_to_lab(frame)
    lab[..., 1:, :, :] = 0
    return lab_to_frames(lab)[..., 1:2].repeat(3, axis=-1)  # one channel for all: rounding could part them by a level


def overlay(frame: np.ndarray, ids: np.ndarray, strength: float = 0.5) -> np.ndarray:
    """Tint objects and draw their outline: frame uint8 (H, W, 3), ids (H, W) -> uint8 (H, W, 3)."""
    from scipy import ndimage

    result = frame.copy()
    thickness = max(1, round(min(ids.shape) / 300))
    for n, place in enumerate(ndimage.find_objects(ids), start=1):
        if place is None:
            continue
        # Only the object's box, grown by what erosion looks at: most objects are small.
        box = tuple(slice(max(0, side.start - thickness), side.stop + thickness) for side in place)
        on, part = ids[box] == n, result[box]
        color = object_color(n).astype(np.float32)
        part[on] = ((1 - strength) * part[on].astype(np.float32) + strength * color).round()
        part[on & ~ndimage.binary_erosion(on, iterations=thickness, border_value=1)] = color
    return result


def skeleton(frame: np.ndarray, xy: np.ndarray, edges: Sequence[tuple[int, int]] = (), scale: float | None = None) -> np.ndarray:
    """Draw joints and the lines between them; NaN joints are left out. xy (J, 2) pixels -> uint8 (H, W, 3)."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(frame)
    draw = ImageDraw.Draw(picture)
    scale = scale or max(1.0, min(frame.shape[:2]) / 240)
    for a, b in edges:
        if np.isfinite(xy[[a, b]]).all():
            draw.line([*map(tuple, xy[[a, b]])], fill=(255, 255, 255), width=max(1, round(0.8 * scale)))
    r = 2.2 * scale
    for n, (x, y) in enumerate(xy, start=1):
        if np.isfinite(x) and np.isfinite(y):
            draw.ellipse([x - r, y - r, x + r, y + r], fill=tuple(map(int, object_color(n))), outline=(0, 0, 0))
    return np.array(picture)


def enlarge(frame: np.ndarray, factor: int) -> np.ndarray:
    """Repeat pixels: uint8 (H, W, 3), or object ids (H, W), -> factor times as high and wide."""
    return frame.repeat(factor, axis=0).repeat(factor, axis=1)


def magnified(frame: np.ndarray, width: int) -> tuple[np.ndarray, int]:
    """A frame enlarged by a whole factor to about ``width`` pixels, and the factor. Pixel x is then at factor * (x + 0.5) - 0.5."""
    factor = max(1, round(width / frame.shape[1]))
    return enlarge(frame, factor), factor


def side_by_side(panels: Sequence[np.ndarray], titles: Sequence[str] = (), gap: int = 6, bar: int = 22) -> np.ndarray:
    """Panels of one height in a row on white, each under its title: uint8 RGB."""
    from PIL import Image, ImageDraw, ImageFont

    height = panels[0].shape[0] + (bar if titles else 0)
    width = sum(p.shape[1] for p in panels) + gap * (len(panels) - 1)
    sheet = np.full((height, width, 3), 255, np.uint8)
    left = 0
    places = []
    for panel in panels:
        sheet[height - panel.shape[0] :, left : left + panel.shape[1]] = panel
        places.append(left)
        left += panel.shape[1] + gap
    if not titles:
        return sheet
    picture = Image.fromarray(sheet)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=bar * 0.62)
    for x, title in zip(places, titles, strict=True):
        draw.text((x + 4, bar / 2), title, fill=(40, 40, 40), font=font, anchor="lm")
    return np.array(picture)


def _numbers(values: np.ndarray | torch.Tensor) -> np.ndarray:
    """Whatever holds numbers, on whatever device, as float64."""
    return torch.as_tensor(values).detach().cpu().double().numpy()


def soft_picture(soft: np.ndarray | torch.Tensor) -> np.ndarray:
    """A soft map (h, w) in [0, 1] as uint8 RGB: dark blue is 0, yellow is 1. What propagation carries, before it is read."""
    return _shades(_numbers(soft).clip(0, 1)).round().astype(np.uint8)


def _shades(share: np.ndarray) -> np.ndarray:
    """Shares (h, w) in [0, 1] as colours (h, w, 3) from dark blue to yellow, not rounded."""
    low, high = np.array([24, 28, 60]), np.array([255, 205, 50])
    return low + (high - low) * share[..., None]


def nearest(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Values (h, w) at another size, (height, width), each pixel from the one it lies in: for numbers that must not be mixed."""
    rows, columns = (np.arange(n) * m // n for n, m in zip((height, width), values.shape, strict=True))
    return values[rows][:, columns]


def palette_picture(frame: np.ndarray, palette: Palette, width: int = 320) -> np.ndarray:
    """What a palette keeps of a frame, for ``widgets.palette_explorer``: the frame, the frame in the palette's colours, those alone
    (doubled, at L = 65), and below one swatch a colour, as wide as its share of the frame.

    Args:
        frame: uint8 RGB (H, W, 3).
        palette: K colours.
        width: of one of the three panels, about, in pixels.
    """
    lab = frames_to_lab(frame)
    ids = palette.hard(lab[1:])
    ab = palette.decode(ids)
    own = lab_to_frames(torch.cat([lab[:1], ab]))
    alone = lab_to_frames(torch.cat([torch.full_like(lab[:1], 65), 2 * ab]))
    panels = [magnified(picture, width)[0] for picture in (frame, own, alone)]
    sheet = side_by_side(panels, ["the frame", f"in {len(palette)} colours, with its own L", "the colours alone, doubled"])
    shares = np.bincount(ids.flatten().numpy(), minlength=len(palette))
    column = np.searchsorted(shares.cumsum(), np.arange(sheet.shape[1]) * ids.numel() / sheet.shape[1], side="right")
    swatches = palette.swatches(65.0, 1)[0][column.clip(max=len(palette) - 1)]
    gap, strip = np.full((6, sheet.shape[1], 3), 255, np.uint8), swatches[None].repeat(28, axis=0)
    return np.concatenate([sheet, gap, strip])


def aim(frame: np.ndarray, xy: Sequence[float], width: int = 360) -> np.ndarray:
    """A frame, enlarged to about ``width``, with a ring around the pixel xy = (x, y): uint8 RGB."""
    from PIL import Image, ImageDraw

    large, k = magnified(frame, width)
    x, y = (k * (v + 0.5) - 0.5 for v in xy)
    picture = Image.fromarray(large)
    draw = ImageDraw.Draw(picture)
    for r, fill, line in ((8, (255, 255, 255), 5), (7, (213, 94, 0), 2)):
        draw.ellipse([x - r, y - r, x + r, y + r], outline=fill, width=line)
    return np.array(picture)


def attention_picture(
    frame: np.ndarray, heat: np.ndarray | torch.Tensor, peak: float, box: Sequence[float] | None = None, width: int = 240
) -> np.ndarray:
    """Where a pixel points in one reference frame, for ``widgets.pointer_explorer``: gray, the attended cells from blue to yellow.

    A ring goes around the strongest cell, unless it has less than a quarter of the peak.

    Args:
        frame: uint8 RGB (H, W, 3).
        heat: (h, w) attention.
        peak: the attention that is drawn full: the largest over all references.
        box: left, top, right, bottom of the window in pixels of the frame, drawn dashed.
        width: of the picture, about, in pixels.
    """
    from PIL import Image, ImageDraw

    large, k = magnified(to_gray(frame), width)
    values = _numbers(heat)
    bright = nearest(np.sqrt(values / max(peak, 1e-12)).clip(0, 1), *large.shape[:2])  # a root, or all but the peak would be invisible
    alpha = np.where(bright > 0.02, 0.25 + 0.7 * bright, 0.25)[..., None]  # everything is dimmed a little, so that faint cells are seen
    picture = Image.fromarray((large * (1 - alpha) + _shades(bright) * alpha).round().astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    if values.max() >= peak / 4 and values.max() > 0:
        row, column = np.unravel_index(values.argmax(), values.shape)
        cell = np.array([large.shape[1] / values.shape[1], large.shape[0] / values.shape[0]])
        x, y = (np.array([column, row]) + 0.5) * cell - 0.5
        r = cell.max() + 4
        draw.ellipse([x - r, y - r, x + r, y + r], outline=(255, 255, 255))
    if box is not None:
        left, top, right, bottom = (k * (v + 0.5) - 0.5 for v in box)
        for start in np.arange(left, right, 8):
            for y in (top, bottom):
                draw.line([start, y, min(start + 4, right), y], fill=(255, 255, 255))
        for start in np.arange(top, bottom, 8):
            for x in (left, right):
                draw.line([x, start, x, min(start + 4, bottom)], fill=(255, 255, 255))
    return np.array(picture)


def carried_picture(
    frame: np.ndarray, carried: Carried, edges: Sequence[tuple[int, int]] = (), strength: float = 0.5, width: int = 400
) -> np.ndarray:
    """A frame with whatever a tracker says of it, for ``widgets.player``: painted with colours, tinted by masks, marked by joints.

    Args:
        frame: uint8 RGB (H, W, 3).
        carried: of this frame.
        edges: lines between joints.
        strength: how strongly masks tint, in [0, 1]; at 0 nothing is drawn, and what was coloured is shown gray.
        width: of the picture, about, in pixels.
    """
    if carried.ab is not None:
        frame = paint(frame, carried.ab) if strength > 0 else to_gray(frame)
    large, k = magnified(frame, width)
    if carried.ids is not None and strength > 0:
        large = overlay(large, enlarge(carried.ids, k), strength)
    if carried.xy is not None and strength > 0:
        large = skeleton(large, k * (carried.xy + 0.5) - 0.5, edges, scale=max(1.5, large.shape[0] / 240))
    return large


def _small_chart(size: tuple[int, int]):
    """A figure of (width, height) pixels for a demo, and its axes."""
    figure = chart(size[0] / 100, size[1] / 100)
    figure.set_dpi(100)
    axis = figure.subplots()
    plain_axes(axis)
    return figure, axis


def _pixels(figure: "Figure") -> np.ndarray:
    """A figure as uint8 RGB (H, W, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def score_picture(
    curves: Mapping[str, Mapping[int, float]], frames: int, metric: str = "J", size: tuple[int, int] = (820, 150)
) -> tuple[np.ndarray, tuple[float, float]]:
    """Scores in percent against frame number, for ``widgets.player``: a low chart, and where on it frames lie.

    Args:
        curves: name -> {frame: score in [0, 1]}.
        frames: of the video.
        size: (width, height) in pixels.

    Returns:
        uint8 RGB (H, W, 3), and the x (in pixels) of frame 0 and of the last frame.
    """
    figure, axis = _small_chart(size)
    spare = itertools.cycle(OTHERS)
    for name, scores in curves.items():
        hue = color(name) if name in STYLES else next(spare)
        few = len(scores) <= 40
        look = {"color": hue, "linewidth": 1.8, "marker": "o" * few, "markersize": 3.5, "label": label(name)}
        axis.plot(list(scores), [100 * s for s in scores.values()], **look)
    axis.set_xlim(0, max(1, frames - 1))
    axis.set_ylim(0, 103)
    axis.set_ylabel(f"{metric} (%)", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.legend(frameon=False, fontsize=8, loc="lower left", ncols=4)
    picture = _pixels(figure)
    box = axis.get_window_extent()
    return picture, (float(box.x0), float(box.x1))


def with_cursor(picture: np.ndarray, x: float) -> np.ndarray:
    """The picture with an upright line at x."""
    result = picture.copy()
    left = int(np.clip(round(x) - 1, 0, picture.shape[1] - 2))
    result[:, left : left + 2] = (213, 94, 0)
    return result


def emergence_picture(
    losses: Sequence[float], marks: Sequence[int] = (), size: tuple[int, int] = (460, 260), level: float | None = None
) -> np.ndarray:
    """The loss of a running training, for ``widgets.emergence``: dots a step, a line of means, ticks at checkpoints. uint8 RGB.

    Args:
        losses: (S,) in nats, one a step.
        marks: steps at which a checkpoint was kept.
        size: (width, height) in pixels.
        level: a loss that needs no training, drawn across.
    """
    figure, axis = _small_chart(size)
    values = np.asarray(losses, np.float64)
    steps = np.arange(1, len(values) + 1)
    axis.plot(steps, values, ".", markersize=2.5, color="#D55E00", alpha=0.35)
    if len(values):
        near = max(1, len(values) // 20)
        means = np.array([values[max(0, n - near) : n].mean() for n in steps])
        axis.plot(steps, means, color="#D55E00", linewidth=2)
    if level is not None:
        axis.axhline(level, linestyle="--", linewidth=1.2, color="#0072B2")
        axis.text(
            0.99, level, "pointing evenly", ha="right", va="bottom", fontsize=8, color="#0072B2", transform=axis.get_yaxis_transform()
        )
    for step in marks:
        axis.axvline(step, ymax=0.05, color="#555555", linewidth=1)
    axis.set_xlim(0, max(10, len(values)))
    top = max([*values[-200:], level or 0.0, 0.1]) if len(values) else max(3.0, level or 0.0)
    axis.set_ylim(0, 1.15 * top)
    axis.set_xlabel("training step", fontsize=9)
    axis.set_ylabel("colour loss (nats a pixel)", fontsize=9)
    axis.tick_params(labelsize=8)
    return _pixels(figure)


def principal_colors(embeddings: torch.Tensor, shown: Sequence[int], cells: int = 100_000) -> np.ndarray:
    """Embeddings as colours: the three directions in which the cells of a video differ most become red, green and blue.

    Args:
        embeddings: (T, D, h, w) of one whole video.
        shown: frames to return.
        cells: the components are fitted to about so many cells, evenly out of all frames.

    Returns:
        uint8 (len(shown), h, w, 3); each component runs from its 2nd to its 98th percentile over the video.

    Derived in notebooks/07_when_it_breaks.ipynb.
    """
    from sklearn.decomposition import PCA

    rows = embeddings.permute(0, 2, 3, 1).flatten(0, 2)  # (T * h * w, D)
    sample = rows[:: max(1, len(rows) // cells)].numpy()
    pca = PCA(3, random_state=0).fit(sample)
    low, high = np.percentile(pca.transform(sample), [2, 98], axis=0)
    chosen = embeddings[list(shown)].permute(0, 2, 3, 1)
    values = pca.transform(chosen.flatten(0, 2).numpy())
    scaled = ((values - low) / np.maximum(high - low, 1e-8)).clip(0, 1)
    return (255 * scaled).round().astype(np.uint8).reshape(*chosen.shape[:3], 3)


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


def _picture(axis, picture: np.ndarray) -> None:
    """A picture without axes around it."""
    axis.imshow(picture, interpolation="auto")  # nearest when it grows, smooth when it shrinks
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def _row_title(axis, text: str) -> None:
    axis.set_ylabel(text, fontsize=10.5, rotation=0, ha="right", va="center", labelpad=8)


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(text for text in texts if text)


def filmstrip(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    columns: Sequence[str] = (),
    notes: Sequence[Sequence[str]] = (),
    heading: str = "",
    width: float = 9.0,
) -> "Figure":
    """Pictures in rows, which may be of different sizes, with a note on each.

    Args:
        rows: R lists of C uint8 RGB pictures.
        titles: R texts at the left.
        columns: C texts on top.
        notes: R lists of C texts, written into the pictures.
        width: of the figure in inches.
    """
    cell = (width - 1.6 * any(titles)) / len(rows[0])
    heights = [cell * row[0].shape[0] / row[0].shape[1] for row in rows]
    said = [f"{title}: {_listed(texts)}" for title, texts in zip(titles, notes, strict=False) if _listed(texts)]
    alt = f"{heading or 'Pictures'}. Rows: {_listed(titles)}. Columns: {_listed(columns) or len(rows[0])}. {'; '.join(said)}"
    figure = chart(width, sum(heights) + 0.08 * len(rows) + 0.35 * bool(columns) + 0.45 * bool(heading), alt)
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False, height_ratios=heights)
    for r, (row, title) in enumerate(zip(rows, titles, strict=True)):
        for c, picture in enumerate(row):
            axis = axes[r, c]
            _picture(axis, picture)
            if r == 0 and columns:
                axis.set_title(columns[c], fontsize=10.5)
            if notes and notes[r][c]:
                box = {"facecolor": "black", "alpha": 0.65, "linewidth": 0, "pad": 2.5}
                axis.text(0.02, 0.03, notes[r][c], transform=axis.transAxes, color="white", fontsize=9.5, va="bottom", bbox=box)
        _row_title(axes[r, 0], title)
    if heading:
        figure.suptitle(heading, fontsize=12)
    return figure


def number_grid(matrices: Sequence[np.ndarray | torch.Tensor], titles: Sequence[str], heading: str = "", digits: int = 2) -> "Figure":
    """Small matrices (h, w) side by side, each cell in the shade of its value with the number in it; NaN stays empty.

    All share one scale of shades, from the least value to the greatest.
    """
    values = [_numbers(matrix) for matrix in matrices]
    low, high = min(np.nanmin(v) for v in values), max(np.nanmax(v) for v in values)
    shapes = " and ".join(dict.fromkeys(f"{v.shape[0]}x{v.shape[1]}" for v in values))
    alt = f"{heading or 'Matrices'}: {_listed(titles)} ({shapes} numbers, {low:.{digits}f} to {high:.{digits}f})"
    columns = sum(v.shape[1] for v in values)
    side = min(0.62, 8.6 / columns)
    figure = chart(side * columns + 0.5 * len(values), side * max(v.shape[0] for v in values) + 0.4 + 0.4 * bool(heading), alt)
    axes = figure.subplots(1, len(values), squeeze=False, width_ratios=[v.shape[1] for v in values])[0]
    for axis, matrix, title in zip(axes, values, titles, strict=True):
        axis.pcolormesh(matrix, cmap="Blues", vmin=low, vmax=high + 1e-9, edgecolors="white", linewidth=1)
        axis.invert_yaxis()
        axis.set_aspect("equal")
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
        axis.set_title(title, fontsize=10.5)
        for (r, c), value in np.ndenumerate(matrix):
            if np.isfinite(value):
                dark = (value - low) / (high - low + 1e-9) > 0.55
                axis.text(c + 0.5, r + 0.5, f"{value:.{digits}f}", ha="center", va="center", fontsize=9, color="white" if dark else "black")
    if heading:
        figure.suptitle(heading, fontsize=12)
    return figure


def palette_swatches(palette: Palette, ab: torch.Tensor, heading: str = "", lightness: float = 65.0) -> "Figure":
    """A palette in two pictures: its centres among the pixels of the (a, b) plane, and one square a colour, as tall as its share.

    Args:
        palette: K colours.
        ab: (..., 2, H, W) the pixels it stands for, in Lab units.
        lightness: L at which colours are shown.
    """
    pixels = ab.movedim(-3, -1).flatten(0, -2).cpu()
    shares = np.bincount(palette.hard(ab).flatten().cpu().numpy(), minlength=len(palette)) / len(pixels)
    rgb = palette.swatches(lightness, 1)[0] / 255
    sample = pixels[:: max(1, len(pixels) // 4000)]
    dots = lab_to_frames(torch.cat([torch.full((len(sample), 1), lightness), sample], dim=1).T[:, None])[0] / 255
    largest = _listed([f"{share:.0%}" for share in np.sort(shares)[::-1][:4]])
    alt = f"{heading or 'Palette'}: {len(palette)} colours. Largest shares of the pixels: {largest}"
    figure = chart(9, 3.9, alt)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.5])
    left.scatter(*sample.T, s=5, c=dots, linewidths=0)
    left.scatter(*palette.centers.cpu().T, s=70, c=rgb, edgecolors="black", linewidths=1.2)
    left.set_xlabel("a (green to red, Lab units)")
    left.set_ylabel("b (blue to yellow, Lab units)")
    reach = max(20.0, 1.15 * float(chroma(palette.centers.T[:, :, None]).max()), 1.05 * float(sample.abs().max()))
    left.set_xlim(-reach, reach)
    left.set_ylim(-reach, reach)
    left.set_aspect("equal")
    left.set_title("pixels, and the centres (ringed)", fontsize=10.5)
    right.bar(range(len(palette)), 100 * shares, color=rgb, edgecolor="#666666", linewidth=0.6)
    right.set_xticks(range(len(palette)))
    right.tick_params(axis="x", labelsize=8)
    right.set_xlabel("colour class")
    right.set_ylabel("share of the pixels (%)")
    right.set_title(f"{len(palette)} classes", fontsize=10.5)
    for axis in (left, right):
        plain_axes(axis)
    if heading:
        figure.suptitle(heading, fontsize=12)
    return figure


def pointer_picture(
    target: np.ndarray,
    points: np.ndarray,
    references: Sequence[np.ndarray],
    attention: np.ndarray | torch.Tensor,
    columns: Sequence[str] = (),
    heading: str = "",
    strongest: int = 8,
) -> "Figure":
    """The pointer as lines: from pixels of the target frame (at the left) to where they copy from.

    Args:
        target: uint8 RGB (H, W, 3).
        points: (P, 2) pixels (x, y) in it; each has its own colour.
        references: R pictures (H, W, 3).
        attention: (P, R, h, w) from :func:`tinytrack.pointer.attention`.
        columns: R + 1 texts.
        strongest: lines a point, the heavier the more attention; dots where they end.
    """
    from matplotlib.patches import ConnectionPatch

    attention = _numbers(attention)
    h, w = attention.shape[-2:]
    high, wide = target.shape[:2]
    top = [np.unravel_index(np.argsort(a, axis=None)[: -strongest - 1 : -1], a.shape) for a in attention]
    kept = [f"point {p + 1}: {100 * attention[p][t].sum():.0f} %" for p, t in enumerate(top)]
    what = f"lines from {len(points)} pixels to the {strongest} places each copies from most"
    alt = f"{heading or 'The pointer'}: {what}. Attention in them: {_listed(kept)}"
    cell = 9 / (len(references) + 1)
    figure = chart(9, cell * high / wide + 0.4 + 0.35 * bool(heading), alt)
    axes = figure.subplots(1, len(references) + 1, squeeze=False)[0]
    for axis, picture in zip(axes, [target, *references], strict=True):
        _picture(axis, picture)
    for axis, text in zip(axes, columns, strict=False):
        axis.set_title(text, fontsize=10.5)
    for p, (x, y) in enumerate(points):
        hue = object_color(p + 1) / 255
        axes[0].plot(x, y, "o", markersize=9, markerfacecolor=hue, markeredgecolor="white", markeredgewidth=1.5)
        for r, row, column in zip(*top[p], strict=True):
            end = ((column + 0.5) * wide / w - 0.5, (row + 0.5) * high / h - 0.5)
            weight = float(attention[p, r, row, column]) ** 0.5  # a root, or all but the strongest would be invisible
            look = {"color": hue, "linewidth": 0.5 + 2.5 * weight, "alpha": 0.25 + 0.7 * weight}
            figure.add_artist(ConnectionPatch((x, y), end, "data", "data", axesA=axes[0], axesB=axes[r + 1], **look))
            axes[r + 1].plot(*end, "o", markersize=3 + 6 * weight, color=hue, markeredgecolor="white", markeredgewidth=0.6)
    if heading:
        figure.suptitle(heading, fontsize=12)
    return figure


def attention_maps(
    target: np.ndarray,
    points: np.ndarray,
    titles: Sequence[str],
    references: Sequence[np.ndarray],
    heat: np.ndarray | torch.Tensor,
    columns: Sequence[str],
    heading: str,
    boxes: np.ndarray | None = None,
    width: float = 9.0,
) -> "Figure":
    """A row a target pixel: where it is, then where it points in each reference frame.

    Args:
        target: uint8 RGB (H, W, 3).
        points: (P, 2) pixels (x, y) in it.
        titles: P texts.
        references: R pictures (H, W, 3).
        heat: (P, R, h, w) attention; a row's panels share one scale.
        columns: R + 1 texts.
        boxes: (P, R, 4) left, top, right, bottom in pixels: drawn dashed into the references; NaN for none.
        width: of the figure in inches.
    """
    heat = _numbers(heat)
    boxes = np.full((*heat.shape[:2], 4), np.nan) if boxes is None else boxes
    h, w = target.shape[:2]
    cell = (width - 1.6) / (len(references) + 1)
    shares = [f"{t}: {_listed([f'{100 * m.sum():.0f} %' for m in maps])}".replace("\n", " ") for t, maps in zip(titles, heat, strict=True)]
    figure = chart(
        width, len(points) * (cell * h / w + 0.25) + 0.7, f"{heading}. Share of the attention in each reference: {'; '.join(shares)}"
    )
    axes = figure.subplots(len(points), len(references) + 1, squeeze=False)
    for row, (x, y), title, maps, frames in zip(axes, points, titles, heat, boxes, strict=True):
        _picture(row[0], target)
        row[0].plot(x, y, "o", markersize=11, markerfacecolor="none", markeredgecolor="white", markeredgewidth=3.2)
        row[0].plot(x, y, "o", markersize=11, markerfacecolor="none", markeredgecolor="#D55E00", markeredgewidth=1.8)
        _row_title(row[0], title)
        for axis, picture, values, (left, top, right, bottom) in zip(row[1:], references, maps, frames, strict=True):
            _picture(axis, picture)
            bright = np.sqrt(values / maps.max())  # a root, or all but the peak would be invisible
            where = (-0.5, w - 0.5, h - 0.5, -0.5)
            axis.imshow(bright, cmap="inferno", vmin=0, vmax=1, alpha=0.35 + 0.6 * bright, extent=where, interpolation="nearest")
            axis.plot([left, right, right, left, left], [top, top, bottom, bottom, top], "--", color="white", linewidth=1)
            axis.set_xlim(-0.5, w - 0.5)
            axis.set_ylim(h - 0.5, -0.5)
            axis.set_xlabel(f"{100 * values.sum():.0f} % of the attention", fontsize=9)
    for axis, text in zip(axes[0], columns, strict=True):
        axis.set_title(text, fontsize=10.5)
    figure.suptitle(heading, fontsize=12)
    return figure


def embedding_pca(
    frames: Sequence[np.ndarray], embeddings: Mapping[str, torch.Tensor], shown: Sequence[int], heading: str = "", width: float = 9.0
) -> "Figure":
    """What embeddings know: gray frames above, below them a row a network, see :func:`principal_colors`.

    Args:
        frames: uint8 RGB (T, H, W, 3).
        embeddings: method -> (T, D, h, w) of the whole video.
        shown: frames to draw.
        heading: above it all.
    """
    rows = [[to_gray(frames[t]) for t in shown], *(list(principal_colors(f, shown)) for f in embeddings.values())]
    titles = ["what they see", *(label(name).replace(" (", "\n(") for name in embeddings)]
    return filmstrip(rows, titles, [f"frame {t}" for t in shown], heading=heading, width=width)


def line_chart(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x_label: str,
    y_label: str,
    heading: str = "",
    log_x: bool = False,
    levels: Mapping[str, float] | None = None,
    top: float | None = None,
) -> "Figure":
    """Curves in one chart; names of :data:`STYLES` have their own colour and label.

    Args:
        curves: name -> (x, y). With few points each is marked.
        log_x: a logarithmic scale on which 0 has its place left of 1.
        levels: name -> a height drawn as a dashed line across.
        top: the upper end of the y axis, which starts at 0; by default where the curves end.
    """
    levels = levels or {}
    told = [f"{label(n)} from {y[0]:.3g} at {x[0]:g} to {y[-1]:.3g} at {x[-1]:g}" for n, (x, y) in curves.items()]
    told += [f"{label(n)} at {y:.3g}" for n, y in levels.items()]
    figure = chart(8, 4, f"{heading or y_label}. {y_label} against {x_label}: {'; '.join(told)}")
    axis = figure.subplots()
    plain_axes(axis)
    names = [*curves, *levels]
    taken = {color(name) for name in names if name in STYLES}
    spare = itertools.cycle([hue for hue in OTHERS if hue not in taken] or OTHERS)
    hues = {name: color(name) if name in STYLES else next(spare) for name in names}
    for (name, (x, y)), marker in zip(curves.items(), MARKERS * 2, strict=False):
        axis.plot(x, y, marker=marker if len(x) <= 40 else "", markersize=5, linewidth=2, color=hues[name], label=label(name))
    for name, y in levels.items():
        axis.axhline(y, linestyle="--", linewidth=1.4, color=hues[name], label=label(name))
    if log_x:
        last = max(max(x) for x, _ in curves.values())
        axis.set_xscale("symlog", linthresh=1, linscale=0.5)
        ticks = [0] + [10**n for n in range(12) if 10**n <= last]
        axis.set_xticks(ticks, [f"{t:,}" for t in ticks])
        axis.minorticks_off()
        axis.set_xlim(-0.2, last * 1.3)
    axis.set_ylim(0, top)
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    if len(hues) > 1:
        axis.legend(frameon=False, fontsize=9.5)
    if heading:
        axis.set_title(heading, fontsize=12)
    return figure


def loss_curve(losses: Mapping[str, Sequence[float]], heading: str = "", levels: Mapping[str, float] | None = None) -> "Figure":
    """Eq. 3 against training step, in nats: means over each fiftieth of the run, for single steps are noisy.

    Args:
        losses: name -> (S,) one a step.
        levels: name -> a loss that needs no training, drawn across.
    """
    curves = {}
    for name, values in losses.items():
        parts = np.array_split(np.asarray(values, dtype=np.float64), min(50, len(values)))
        ends = np.cumsum([len(part) for part in parts])
        curves[name] = (ends - np.array([len(part) for part in parts]) / 2, np.array([part.mean() for part in parts]))
    return line_chart(curves, "training step", "colour loss (nats a pixel)", heading, levels=levels)


def j_against_frame(curves: Mapping[str, Mapping[int, float]], heading: str = "", metric: str = "J") -> "Figure":
    """A score in percent against frame number: name -> {frame: score in [0, 1]}."""
    in_percent = {name: (list(scores), [100 * score for score in scores.values()]) for name, scores in curves.items()}
    return line_chart(in_percent, "frame number (frame 0 is given)", f"{metric} (%)", heading, top=103)


def score_bars(scores: Mapping[str, Mapping[str, float]], heading: str = "") -> "Figure":
    """A row a method, a panel a metric, the numbers beside the bars: method -> {metric: score in [0, 1]}."""
    metrics = list(next(iter(scores.values())))
    told = [f"{label(m)} {_listed([f'{k} {100 * v:.0f}' for k, v in values.items()])}" for m, values in scores.items()]
    figure = chart(9, 1.0 + 0.36 * len(scores), f"{heading or 'Scores'}, in percent: {'; '.join(told)}")
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    place = np.arange(len(scores))
    for axis, metric in zip(axes, metrics, strict=True):
        heights = [100 * values[metric] for values in scores.values()]
        axis.barh(place, heights, 0.7, color=[color(m) for m in scores], edgecolor="#555555", linewidth=0.5)
        for y, value in zip(place, heights, strict=True):
            axis.text(value + 1.5, y, f"{value:.0f}", va="center", fontsize=9.5)
        axis.set_xlim(0, 108)
        axis.set_xticks(range(0, 101, 20))
        axis.set_xlabel(f"{metric} (%)")
        plain_axes(axis, "x")
    axes[0].set_yticks(place, [label(m) for m in scores])
    axes[0].invert_yaxis()
    if heading:
        figure.suptitle(heading, fontsize=12)
    return figure
