"""Short animations for notebooks: animated PNGs, which play by themselves in every browser and on a static page."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .style import picture_bundle

COLORS = 255  # of the palette, which has one more entry: "as in the picture before"
TOLERANCE = 8  # a pixel keeps its colour until a channel is off by more than this: too little to see, and it saves a third of the file


@dataclass(frozen=True)
class Animation:
    """An animation that plays in a notebook when it is the last expression of a cell.

    Attributes:
        png: the bytes of the animated PNG.
        alt: a description in words, the alt text.
        pictures: the pictures in all their colours, uint8 RGB (H, W, 3).
        fps: pictures per second.
    """

    png: bytes = field(repr=False)
    alt: str
    pictures: Sequence[np.ndarray] = field(repr=False, compare=False)
    fps: float

    def save(self, path: str | Path) -> None:
        """Write the animated PNG to a file."""
        Path(path).write_bytes(self.png)

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        """Return what Jupyter displays: the data by type, and metadata with the alt text."""
        return picture_bundle("image/png", self.png, self.alt)


def animation(pictures: Sequence[np.ndarray], fps: float = 6, alt: str = "An animation.") -> Animation:
    """Make an animation that repeats endlessly.

    All pictures share one palette, and pixels that hardly change are stored once. Sixteen pictures of a talking head, 144x176
    pixels each, take about 150 KB.

    Args:
        pictures: uint8 RGB arrays (H, W, 3), all of the same size.
        fps: pictures per second.
        alt: a description in words, for readers who cannot see the animation.
    """
    from PIL import Image

    pictures = [np.asarray(picture) for picture in pictures]
    _check(pictures, fps)
    # one palette for all pictures, and one number per pixel
    palette, numbers, exact = _quantized(np.stack(pictures))
    images = [Image.fromarray(changed) for changed in _changes(np.stack(pictures), palette, numbers, 0 if exact else TOLERANCE)]
    for image in images:
        image.putpalette(palette.tobytes() + b"\0\0\0")
    # write the file: transparent pixels show the picture before
    buffer = io.BytesIO()
    look = {"duration": 1000 / fps, "loop": 0, "transparency": len(palette), "blend": 1, "disposal": 0}
    images[0].save(buffer, "PNG", save_all=True, append_images=images[1:], optimize=True, **look)
    return Animation(buffer.getvalue(), " ".join(alt.split()), pictures, fps)


def _check(pictures: list[np.ndarray], fps: float) -> None:
    """Raise a ValueError that names what is wrong with the arguments of :func:`animation`."""
    if not pictures:
        raise ValueError("an animation needs at least one picture, got none")
    for n, picture in enumerate(pictures):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"pictures must be uint8 arrays (H, W, 3), but picture {n} is {picture.dtype} {picture.shape}")
        if picture.shape != pictures[0].shape:
            raise ValueError(f"pictures must have the same size, but picture {n} is {picture.shape} and picture 0 {pictures[0].shape}")
    if not (fps > 0 and math.isfinite(fps)):
        raise ValueError(f"fps must be a positive number, got {fps}")


def _quantized(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Find a palette for pictures (T, H, W, 3): uint8 (K, 3), the number of each pixel's colour (T, H, W), and whether it is exact."""
    from PIL import Image
    from scipy.spatial import KDTree

    # all colours that occur: they are the palette if there are few
    pixels = pictures.reshape(-1, 3)
    codes, place = np.unique(pixels @ np.array([1 << 16, 1 << 8, 1]), return_inverse=True)
    colors = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(np.uint8)
    if len(colors) <= COLORS:
        return colors, place.reshape(pictures.shape[:3]).astype(np.uint8), True
    # else the palette is learned from some 20,000 pixels, and each colour gets the nearest
    sample = pixels[:: max(1, len(pixels) // 20_000)]
    chosen = Image.fromarray(sample[None]).quantize(COLORS, kmeans=1, dither=Image.Dither.NONE).getpalette()
    palette = np.array(chosen, np.uint8).reshape(-1, 3)[:COLORS]
    nearest = KDTree(palette).query(colors)[1].astype(np.uint8)
    return palette, nearest[place].reshape(pictures.shape[:3]), False


def _changes(pictures: np.ndarray, palette: np.ndarray, numbers: np.ndarray, tolerance: int) -> list[np.ndarray]:
    """Replace the numbers of pixels that stay as they are: uint8 (H, W) per picture, K means "as in the picture before"."""
    shown = numbers[0]
    result = [shown]
    for picture, number in zip(pictures[1:], numbers[1:], strict=True):
        off = np.abs(palette[shown].astype(int) - picture).max(axis=-1)
        same = (off <= tolerance) | (number == shown)
        result.append(np.where(same, len(palette), number).astype(np.uint8))
        shown = np.where(same, shown, number)
    return result
