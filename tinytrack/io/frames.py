"""Frame sizes and coordinates: fitting, resizing, and the pixel-centre rule."""

import numpy as np

Size = int | tuple[int, int] | None  # None keeps the size, an int sets the shorter side, a pair is (height, width)


def fit_size(height: int, width: int, size: Size, multiple: int = 1) -> tuple[int, int]:
    """Compute the (height, width) that ``size`` asks for.

    Args:
        height, width: of the frame.
        size: None keeps both, an int sets the shorter side and keeps the shape, a pair is taken as it is.
        multiple: both sides are rounded to multiples of this, and are never smaller.
    """
    if size is None:
        h, w = height, width
    elif isinstance(size, int):
        scale = size / min(height, width)
        h, w = height * scale, width * scale
    else:
        h, w = size
    return tuple(max(multiple, round(v / multiple) * multiple) for v in (h, w))


def resize(frame: np.ndarray, h: int, w: int) -> np.ndarray:
    """Scale a uint8 RGB frame (H, W, 3) to (h, w, 3); bilinear, with smoothing where it shrinks."""
    if frame.shape[:2] == (h, w):
        return frame
    from PIL import Image

    return np.array(Image.fromarray(frame).resize((w, h), Image.Resampling.BILINEAR))  # a copy: torch needs a writable array


def rescale(points: np.ndarray, old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """Map points (..., 2) as (x, y) from a frame of size ``old`` to the same frame at size ``new``; both sizes are (height, width).

    Integer coordinates are pixel *centres*, so x becomes (x + 0.5) * scale - 0.5. The same rule maps pixels to grid cells.
    """
    scale = np.array([new[1] / old[1], new[0] / old[0]])
    return (np.asarray(points, dtype=np.float64) + 0.5) * scale - 0.5
