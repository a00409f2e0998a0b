"""The exercises of notebooks/00_tour.ipynb."""

from collections.abc import Callable

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ...color import frames_to_lab, lab_to_frames
from ...draw.pictures import to_gray as _to_gray
from ...label_maps import paint as _paint
from ..exercise import Exercise
from .cases import random_frame, random_values


def _zeroed(frame: np.ndarray, channels: slice) -> np.ndarray:
    """Set channels of Lab to 0."""
    lab = frames_to_lab(frame)
    lab[channels] = 0
    return lab_to_frames(lab)


to_gray = Exercise(
    "to_gray",
    _to_gray,
    lambda: [(random_frame(5, 7),), (random_frame(3, 4, 1),)],
    [
        (
            "Your function returns the mean of red, green and blue: use L of Lab instead, in which green counts most",
            lambda x: _thrice(x.mean(-1)),
        ),
        (
            "Your function uses the weights of television luma: use L of Lab instead, which is computed from linear light",
            lambda x: _thrice(x @ np.array([0.299, 0.587, 0.114])),
        ),
        ("The lightness is gone and the colours are still there: set a and b to 0, and keep L", lambda x: _zeroed(x, slice(0, 1))),
        ("Your function sets only a to 0: b is a colour channel too, so set both to 0", lambda x: _zeroed(x, slice(1, 2))),
        ("Your function sets only b to 0: a is a colour channel too, so set both to 0", lambda x: _zeroed(x, slice(2, 3))),
        ("The frame comes back in colour: set a and b to 0 before you convert it back to RGB", lambda x: x),
    ],
    tolerance=1.01,  # one level of rounding
)


def _thrice(gray: np.ndarray) -> np.ndarray:
    """Turn gray values (H, W) into a frame uint8 (H, W, 3)."""
    return gray.round().astype(np.uint8)[..., None].repeat(3, -1)


def _painted(frame: np.ndarray, ab: Tensor, lightness=lambda own: own, **how) -> np.ndarray:
    """Paint a frame with ``ab``, scaled up by ``F.interpolate(..., **how)``, after changing its lightness."""
    lab = frames_to_lab(frame)
    lab[0] = lightness(lab[0])
    lab[1:] = F.interpolate(ab[None].float(), lab.shape[1:], **how)[0]
    return lab_to_frames(lab)


def _flat(level) -> Callable:
    """Return a function that paints with the same lightness everywhere, ``level`` of the frame's own lightness."""
    return lambda x, ab: _painted(x, ab, level, mode="bilinear", align_corners=False)


paint = Exercise(
    "paint",
    _paint,
    lambda: [(random_frame(12, 20), 20 * random_values(2, 3, 5)), (random_frame(9, 8, 1), 20 * random_values(2, 3, 2, seed=1))],
    [
        (
            "The channels a and b have changed places: the first channel of ab is a, and the second is b",
            lambda x, ab: _paint(x, ab.flip(0)),
        ),
        (
            "The lightness is not the frame's own: replace only a and b, and keep the frame's L",
            *(_flat(lambda own, level=level: level) for level in (0, 50, 65, 100)),
            _flat(lambda own: own.mean()),
        ),
        ("The colours appear in blocks: scale ab up with mode='bilinear'", lambda x, ab: _painted(x, ab, mode="nearest")),
        (
            "The colours are shifted, because align_corners=True stretches the corner pixels to the edges: set it to False",
            lambda x, ab: _painted(x, ab, mode="bilinear", align_corners=True),
        ),
    ],
    tolerance=1.01,
)
