"""Figures made of pictures: film strips, number grids, palettes, attention."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..color import Palette, lab_to_frames
from ..io.frames import rescale
from .pictures import principal_colors, swatches, to_gray
from .style import chart, label, listed, numbers, object_color, plain_axes, row_title, show_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def filmstrip(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    columns: Sequence[str] = (),
    notes: Sequence[Sequence[str]] = (),
    heading: str = "",
    width: float = 9.0,
) -> "Figure":
    """Draw rows of pictures with a note in each picture; picture sizes may differ between rows.

    Columns are as wide as their pictures in the first row, when all have the same height.

    Args:
        rows: R lists of C uint8 RGB pictures.
        titles: R texts, left of the rows.
        columns: C texts, above the columns.
        notes: R lists of C texts, written into the pictures.
        heading: the title of the figure.
        width: of the figure in inches.
    """
    # sizes in inches: pictures, then room for texts
    aspects = np.array([picture.shape[1] / picture.shape[0] for picture in rows[0]])
    widths = (width - (1.6 if any(titles) else 0)) * aspects / aspects.sum()
    heights = [widths[0] * row[0].shape[0] / row[0].shape[1] for row in rows]
    height = sum(heights) + 0.08 * len(rows) + (0.35 if columns else 0) + (0.45 if heading else 0)
    # the alt text
    noted = [f"{title}: {listed(texts)}" if title else listed(texts) for title, texts in zip(titles, notes, strict=False) if listed(texts)]
    parts = [
        heading or "Pictures",
        f"Rows: {listed(titles)}" if any(titles) else "",
        f"Columns: {listed(columns)}" if any(columns) else f"{len(rows[0])} columns" if len(rows[0]) > 1 else "",
        "; ".join(noted),
    ]
    alt = ". ".join(part for part in parts if part) + "."
    # one panel per picture
    figure = chart(width, height, alt)
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False, height_ratios=heights, width_ratios=widths)
    for r, (row, title) in enumerate(zip(rows, titles, strict=True)):
        for c, picture in enumerate(row):
            axis = axes[r, c]
            show_picture(axis, picture)
            if r == 0 and columns:
                axis.set_title(columns[c], fontsize=10.5)
            if notes and notes[r][c]:
                box = {"facecolor": "black", "alpha": 0.65, "linewidth": 0, "pad": 2.5}
                axis.text(0.02, 0.03, notes[r][c], transform=axis.transAxes, color="white", fontsize=9.5, va="bottom", bbox=box)
        row_title(axes[r, 0], title)
    if heading:
        figure.suptitle(heading, fontsize=12)
    return figure


def number_grid(
    matrices: Sequence[np.ndarray | torch.Tensor],
    titles: Sequence[str],
    heading: str = "",
    digits: int = 2,
    colors: Sequence[np.ndarray | None] = (),
    marked: Sequence[tuple[int, int, int]] = (),
) -> "Figure":
    """Draw small matrices (h, w) side by side, each cell shaded by its value with the number in it; NaN cells stay empty.

    Args:
        matrices: M matrices. They share one scale of shades, from the smallest value to the largest, except those with their own colours.
        titles: M texts, above the matrices.
        heading: the title of the figure.
        digits: after the decimal point.
        colors: for each of the first matrices, None or its own colours: RGB, uint8 (h, w, 3), one for each cell; or (K, 3), one for each
            class number. Then values are class numbers, and a value that is none stays white.
        marked: (matrix, row, column) of cells with a red frame.
    """
    from matplotlib.patches import Rectangle

    # the colours of cells, the range of the other values, and the alt text
    values = [numbers(matrix) for matrix in matrices]
    own = {n: _cell_colors(v, c) for n, (v, c) in enumerate(zip(values, colors, strict=False)) if c is not None}
    low, high = min(np.nanmin(v) for v in values), max(np.nanmax(v) for v in values)
    shaded = [v for n, v in enumerate(values) if n not in own] or values
    bottom, top = min(np.nanmin(v) for v in shaded), max(np.nanmax(v) for v in shaded)
    shapes = " and ".join(dict.fromkeys(f"{v.shape[0]}x{v.shape[1]}" for v in values))
    alt = f"{heading or 'Matrices'}: {listed(titles)} ({shapes} numbers, {low:.{digits}f} to {high:.{digits}f})"
    # one panel per matrix, all with square cells of one size
    columns = sum(v.shape[1] for v in values)
    side = min(0.62, 8.6 / columns)
    height = side * max(v.shape[0] for v in values) + 0.4 + (0.4 if heading else 0)
    figure = chart(side * columns + 0.5 * len(values), height, alt)
    axes = figure.subplots(1, len(values), squeeze=False, width_ratios=[v.shape[1] for v in values])[0]
    for n, (axis, matrix, title) in enumerate(zip(axes, values, titles, strict=True)):
        if n in own:
            axis.pcolormesh(own[n], edgecolors="#dddddd", linewidth=1)
        else:
            axis.pcolormesh(matrix, cmap="Blues", vmin=bottom, vmax=top + 1e-9, edgecolors="white", linewidth=1)
        axis.invert_yaxis()
        axis.set_aspect("equal")
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
        axis.set_title(title, fontsize=10.5)
        for (r, c), value in np.ndenumerate(matrix):
            if np.isfinite(value):
                dark = own[n][r, c].mean() < 0.5 if n in own else (value - bottom) / (top - bottom + 1e-9) > 0.55
                whole = n in own and np.ndim(colors[n]) == 2 and value == int(value)  # a class number
                text = f"{value:.{0 if whole else digits}f}"
                axis.text(c + 0.5, r + 0.5, text, ha="center", va="center", fontsize=9, color="white" if dark else "black")
    for n, r, c in marked:
        axes[n].add_patch(Rectangle((c + 0.04, r + 0.04), 0.92, 0.92, fill=False, edgecolor="#E63C3C", linewidth=2.5))
    if heading:
        figure.suptitle(heading, fontsize=12)
    return figure


def _cell_colors(values: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Return the colours in [0, 1] of the cells of :func:`number_grid`, (h, w, 3)."""
    if colors.ndim == 3:
        return colors / 255
    classes = np.isin(values, range(len(colors)))
    chosen = colors[np.where(classes, values, 0).astype(int)] / 255
    return np.where(classes[..., None], chosen, 1.0)


def palette_swatches(palette: Palette, ab: torch.Tensor, heading: str = "", lightness: float = 65.0) -> "Figure":
    """Draw a palette in two panels: its centres among pixels in the (a, b) plane, and one bar per colour with its share of the pixels.

    Args:
        palette: K colours.
        ab: (..., 2, H, W) the pixels that the palette represents, in Lab units.
        lightness: L at which colours are shown.
    """
    # share of each class, and the colours to draw it and some of the pixels in
    pixels = ab.movedim(-3, -1).flatten(0, -2).cpu()
    shares = np.bincount(palette.hard(ab).flatten().cpu().numpy(), minlength=len(palette)) / len(pixels)
    rgb = swatches(palette, lightness, 1)[0] / 255
    sample = pixels[:: max(1, len(pixels) // 4000)]
    dots = lab_to_frames(torch.cat([torch.full((len(sample), 1), lightness), sample], dim=1).T[:, None])[0] / 255
    # the alt text
    largest = listed([f"{share:.0%}" for share in np.sort(shares)[::-1][:4]])
    alt = f"{heading or 'Palette'}: {len(palette)} colours. Largest shares of the pixels: {largest}"
    figure = chart(9, 4.4, alt)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1.5])
    # left: pixels and centres in the (a, b) plane
    left.scatter(*sample.T, s=5, c=dots, linewidths=0)
    left.scatter(*palette.centers.cpu().T, s=170, c=rgb, edgecolors="black", linewidths=1.2)
    for n, (a, b) in enumerate(palette.centers.tolist()):
        left.text(a, b, str(n), ha="center", va="center_baseline", fontsize=8)
    left.set_xlabel("a (green to red, Lab units)")
    left.set_ylabel("b (blue to yellow, Lab units)")
    low, high = (pick(torch.cat([sample, palette.centers.cpu()]), dim=0) for pick in (torch.amin, torch.amax))
    middle, reach = (low + high) / 2, max(20.0, 0.55 * float((high - low).max()))
    left.set_xlim(float(middle[0]) - reach, float(middle[0]) + reach)
    left.set_ylim(float(middle[1]) - reach, float(middle[1]) + reach)
    left.set_aspect("equal")
    left.set_title("pixels, and the numbered centres", fontsize=10.5)
    # right: the shares
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
    """Draw the pointer as lines from pixels of the target frame (on the left) to the places they copy from.

    Args:
        target: uint8 RGB (H, W, 3).
        points: (P, 2) pixels (x, y) in the target; each gets its own colour.
        references: R pictures (H, W, 3).
        attention: (P, R, h, w) from :func:`tinytrack.pointer.attention`.
        columns: R + 1 texts, above the frames.
        strongest: number of lines per point. More attention makes a line heavier, and the dot at its end larger.
    """
    from matplotlib.patches import ConnectionPatch

    attention = numbers(attention)
    h, w = attention.shape[-2:]
    height, width = target.shape[:2]
    # the strongest places of each point, and the alt text
    top = [np.unravel_index(np.argsort(a, axis=None)[: -strongest - 1 : -1], a.shape) for a in attention]
    kept = [f"point {p + 1}: {100 * attention[p][t].sum():.0f} %" for p, t in enumerate(top)]
    what = f"lines from {len(points)} pixels to the {strongest} places each copies from most"
    alt = f"{heading or 'The pointer'}: {what}. Attention in them: {listed(kept)}"
    # the frames
    cell = 9 / (len(references) + 1)
    figure = chart(9, cell * height / width + 0.4 + (0.35 if heading else 0), alt)
    axes = figure.subplots(1, len(references) + 1, squeeze=False)[0]
    for axis, picture in zip(axes, [target, *references], strict=True):
        show_picture(axis, picture)
    for axis, text in zip(axes, columns, strict=False):
        axis.set_title(text, fontsize=10.5)
    # the points and their lines
    for p, (x, y) in enumerate(points):
        hue = object_color(p + 1) / 255
        axes[0].plot(x, y, "o", markersize=9, markerfacecolor=hue, markeredgecolor="white", markeredgewidth=1.5)
        for r, row, column in zip(*top[p], strict=True):
            end = rescale((column, row), (h, w), (height, width))
            weight = float(attention[p, r, row, column]) ** 0.5  # the root keeps weaker lines visible
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
    """Draw one row per target pixel: where the pixel is, then where it points in each reference frame.

    Args:
        target: uint8 RGB (H, W, 3).
        points: (P, 2) pixels (x, y) in the target.
        titles: P texts, left of the rows.
        references: R pictures (H, W, 3).
        heat: (P, R, h, w) attention; the panels of a row share one scale.
        columns: R + 1 texts, above the columns.
        heading: the title of the figure.
        boxes: (P, R, 4) left, top, right, bottom in pixels, drawn dashed into the references; NaN for none.
        width: of the figure in inches.
    """
    heat = numbers(heat)
    boxes = np.full((*heat.shape[:2], 4), np.nan) if boxes is None else boxes
    h, w = target.shape[:2]
    # sizes, and the alt text
    cell = (width - 1.6) / (len(references) + 1)
    shares = [f"{t}: {listed([f'{100 * m.sum():.0f} %' for m in maps])}".replace("\n", " ") for t, maps in zip(titles, heat, strict=True)]
    figure = chart(
        width, len(points) * (cell * h / w + 0.25) + 0.7, f"{heading}. Share of the attention in each reference: {'; '.join(shares)}"
    )
    axes = figure.subplots(len(points), len(references) + 1, squeeze=False)
    for row, (x, y), title, maps, frames in zip(axes, points, titles, heat, boxes, strict=True):
        # the target pixel, ringed
        show_picture(row[0], target)
        row[0].plot(x, y, "o", markersize=11, markerfacecolor="none", markeredgecolor="white", markeredgewidth=3.2)
        row[0].plot(x, y, "o", markersize=11, markerfacecolor="none", markeredgecolor="#D55E00", markeredgewidth=1.8)
        row_title(row[0], title)
        # its attention over each reference
        for axis, picture, values, (left, top, right, bottom) in zip(row[1:], references, maps, frames, strict=True):
            show_picture(axis, picture)
            bright = np.sqrt(values / maps.max())  # the root keeps more than the peak visible
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
    """Draw embeddings as colours, see :func:`principal_colors`: gray frames on top, then one row per network.

    Args:
        frames: uint8 RGB (T, H, W, 3).
        embeddings: method -> (T, D, h, w) of the whole video.
        shown: frames to draw.
        heading: the title of the figure.
    """
    rows = [[to_gray(frames[t]) for t in shown], *(list(principal_colors(f, shown)) for f in embeddings.values())]
    titles = ["what they see", *(label(name).replace(" (", "\n(") for name in embeddings)]
    return filmstrip(rows, titles, [f"frame {t}" for t in shown], heading=heading, width=width)
