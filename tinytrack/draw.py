"""Figures and overlays. One colour an object everywhere; pictures in, pictures out."""

from collections.abc import Sequence

import numpy as np

# Distinct on gray and on colour pictures, also for most colour-blind readers (Okabe and Ito 2008, brightened).
COLORS = np.array(
    [[230, 60, 60], [60, 150, 255], [255, 200, 40], [70, 200, 110], [220, 110, 230], [255, 140, 40], [90, 220, 230], [200, 200, 200]],
    np.uint8,
)


def object_color(n: int) -> np.ndarray:
    """The colour of object (or joint) n = 1, 2, ...: uint8 (3,)."""
    return COLORS[(n - 1) % len(COLORS)]


def to_gray(frame: np.ndarray) -> np.ndarray:
    """A frame as the network sees it, L of Lab, as gray RGB uint8 (..., H, W, 3)."""
    from .color import frames_to_lab, lab_to_frames

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
    """Repeat pixels: uint8 (H, W, 3) -> (factor * H, factor * W, 3)."""
    return frame.repeat(factor, axis=0).repeat(factor, axis=1)


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


def filmstrip(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str], columns: Sequence[str], heading: str = ""):
    """A matplotlib figure of pictures in rows and columns.

    Args:
        rows: R lists of C uint8 RGB pictures.
        titles: R texts at the left.
        columns: C texts on top.
    """
    from matplotlib.figure import Figure

    h, w = rows[0][0].shape[:2]
    wide = 12.0
    cell = (wide - 1.3) / len(columns)
    figure = Figure(figsize=(wide, len(rows) * (cell * h / w + 0.06) + (0.75 if heading else 0.35)), dpi=150)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for r, (row, title) in enumerate(zip(rows, titles, strict=True)):
        for c, picture in enumerate(row):
            axis = axes[r, c]
            axis.imshow(picture, interpolation="auto")  # nearest when it grows, smooth when it shrinks
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
            if r == 0:
                axis.set_title(columns[c], fontsize=10)
        axes[r, 0].set_ylabel(title, fontsize=10, rotation=0, ha="right", va="center", labelpad=8)
    if heading:
        figure.suptitle(heading, fontsize=12, y=0.995)
    figure.tight_layout(pad=0.3, h_pad=0.25, w_pad=0.25, rect=(0, 0, 1, 0.965 if heading else 1))
    return figure
