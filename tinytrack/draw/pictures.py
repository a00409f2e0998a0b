"""Draw labels into frames and maps as pictures: overlays, skeletons, soft maps. Pictures are uint8 RGB (H, W, 3), in and out."""

from collections.abc import Sequence

import numpy as np
import torch

from ..color import Palette, frames_to_lab, lab_to_frames
from ..io.frames import rescale
from ..label_maps import paint
from ..track import Carried
from .style import numbers, object_color


def to_gray(frame: np.ndarray) -> np.ndarray:
    """Return a frame as the network sees it, L of Lab, as gray uint8 RGB (..., H, W, 3)."""
    lab = frames_to_lab(frame)
    lab[..., 1:, :, :] = 0
    return lab_to_frames(lab)[..., 1:2].repeat(3, axis=-1)  # one channel for all three, which could differ by rounding


def overlay(frame: np.ndarray, ids: np.ndarray, strength: float = 0.5) -> np.ndarray:
    """Tint objects and draw their outline: frame uint8 (H, W, 3), ids (H, W) -> uint8 (H, W, 3)."""
    from scipy import ndimage

    result = frame.copy()
    thickness = max(1, round(min(ids.shape) / 300))
    for n, place in enumerate(ndimage.find_objects(ids), start=1):
        if place is None:
            continue
        # work in the object's box, grown by the reach of the erosion, because most objects are small
        box = tuple(slice(max(0, side.start - thickness), side.stop + thickness) for side in place)
        on, part = ids[box] == n, result[box]
        color = object_color(n).astype(np.float32)
        part[on] = ((1 - strength) * part[on].astype(np.float32) + strength * color).round()
        part[on & ~ndimage.binary_erosion(on, iterations=thickness, border_value=1)] = color
    return result


def skeleton(frame: np.ndarray, xy: np.ndarray, edges: Sequence[tuple[int, int]] = (), scale: float | None = None) -> np.ndarray:
    """Draw keypoints and the lines between them; NaN keypoints are left out. xy (J, 2) pixels -> uint8 (H, W, 3)."""
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
            look = {"fill": tuple(map(int, object_color(n))), "outline": (0, 0, 0), "width": max(1, round(0.4 * scale))}
            draw.ellipse([x - r, y - r, x + r, y + r], **look)
    return np.array(picture)


def enlarge(frame: np.ndarray, factor: int) -> np.ndarray:
    """Repeat the pixels of a frame uint8 (H, W, 3), or of object ids (H, W), to make it ``factor`` times as high and wide."""
    return frame.repeat(factor, axis=0).repeat(factor, axis=1)


def magnified(frame: np.ndarray, width: int) -> tuple[np.ndarray, int]:
    """Enlarge a frame by a whole factor to about ``width`` pixels; returns it and the factor. ``io.frames.rescale`` moves points along."""
    factor = max(1, round(width / frame.shape[1]))
    return enlarge(frame, factor), factor


def side_by_side(panels: Sequence[np.ndarray], titles: Sequence[str] = (), gap: int = 6, bar: int = 22) -> np.ndarray:
    """Put panels of one height next to each other on white, each under its title: uint8 RGB."""
    from PIL import Image, ImageDraw, ImageFont

    # the panels
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
    # the titles
    picture = Image.fromarray(sheet)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=bar * 0.62)
    for x, title in zip(places, titles, strict=True):
        draw.text((x + 4, bar / 2), title, fill=(40, 40, 40), font=font, anchor="lm")
    return np.array(picture)


def soft_picture(soft: np.ndarray | torch.Tensor) -> np.ndarray:
    """Draw a soft map (h, w) in [0, 1], such as a propagated mask before decoding, as uint8 RGB: dark blue is 0, yellow is 1."""
    return shades(numbers(soft).clip(0, 1)).round().astype(np.uint8)


def shades(share: np.ndarray) -> np.ndarray:
    """Map shares (h, w) in [0, 1] to colours (h, w, 3) from dark blue to yellow, not rounded."""
    low, high = np.array([24, 28, 60]), np.array([255, 205, 50])
    return low + (high - low) * share[..., None]


def nearest(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize values (h, w) to (height, width) by nearest neighbour, for numbers that must not be mixed."""
    rows, columns = (np.arange(n) * m // n for n, m in zip((height, width), values.shape, strict=True))
    return values[rows][:, columns]


def carried_picture(
    frame: np.ndarray, carried: Carried, edges: Sequence[tuple[int, int]] = (), strength: float = 0.5, width: int = 400, marks: float = 1.0
) -> np.ndarray:
    """Draw the tracking result of a frame into it: painted with its colours, tinted by its masks, marked with its keypoints.

    Args:
        frame: uint8 RGB (H, W, 3).
        carried: the tracking result for this frame.
        edges: pairs of keypoints with a line between them.
        strength: how strongly masks tint, in [0, 1]; at 0 nothing is drawn, and a frame with tracked colours is shown gray.
        width: of the picture in pixels, approximately.
        marks: size of the keypoints, relative to the usual size.
    """
    if carried.ab is not None:
        frame = paint(frame, carried.ab) if strength > 0 else to_gray(frame)
    large, k = magnified(frame, width)
    if carried.ids is not None and strength > 0:
        large = overlay(large, enlarge(carried.ids, k), strength)
    if carried.xy is not None and strength > 0:
        large = skeleton(large, rescale(carried.xy, frame.shape[:2], large.shape[:2]), edges, scale=marks * max(1.5, large.shape[0] / 240))
    return large


def principal_colors(embeddings: torch.Tensor, shown: Sequence[int], cells: int = 100_000) -> np.ndarray:
    """Turn embeddings into colours: the three directions in which the cells of a video differ most become red, green and blue.

    Args:
        embeddings: (T, D, h, w) of one whole video.
        shown: frames to return.
        cells: the components are fitted to about this many cells, spread evenly over all frames.

    Returns:
        uint8 (len(shown), h, w, 3); each component runs from its 2nd to its 98th percentile over the video.

    Explained in notebooks/07_when_it_breaks.ipynb.
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


def swatches(palette: Palette, lightness: float = 65.0, size: int = 24) -> np.ndarray:
    """Draw a palette as a row of squares at one lightness: uint8 RGB (size, K * size, 3)."""
    lab = torch.cat([torch.full((len(palette), 1), float(lightness)), palette.centers.cpu()], dim=1)
    return enlarge(lab_to_frames(lab.T[:, None, :]), size)
