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
    lab = frames_to_lab(frame)
    lab[channels] = 0
    return lab_to_frames(lab)


to_gray = Exercise(
    "to_gray",
    _to_gray,
    lambda: [(random_frame(5, 7),), (random_frame(3, 4, 1),)],
    [
        ("this is the mean of red, green and blue: it is not L of Lab, to which green counts most", lambda x: _thrice(x.mean(-1))),
        (
            "these are the weights of television luma: it is not L of Lab, which is made from linear light",
            lambda x: _thrice(x @ np.array([0.299, 0.587, 0.114])),
        ),
        ("the lightness is gone and the colours are left: set a and b to 0, not L", lambda x: _zeroed(x, slice(0, 1))),
        ("only a is set to 0: b is a colour too", lambda x: _zeroed(x, slice(1, 2))),
        ("only b is set to 0: a is a colour too", lambda x: _zeroed(x, slice(2, 3))),
        ("the frame comes back in colour", lambda x: x),
    ],
    tolerance=1.01,  # a level of rounding
)


def _thrice(gray: np.ndarray) -> np.ndarray:
    return gray.round().astype(np.uint8)[..., None].repeat(3, -1)


def _painted(frame: np.ndarray, ab: Tensor, lightness=lambda own: own, **how) -> np.ndarray:
    lab = frames_to_lab(frame)
    lab[0] = lightness(lab[0])
    lab[1:] = F.interpolate(ab[None].float(), lab.shape[1:], **how)[0]
    return lab_to_frames(lab)


def _flat(level) -> Callable:
    """Every pixel gets one lightness: what ``level`` makes of the frame's own."""
    return lambda x, ab: _painted(x, ab, level, mode="bilinear", align_corners=False)


paint = Exercise(
    "paint",
    _paint,
    lambda: [(random_frame(12, 20), 20 * random_values(2, 3, 5)), (random_frame(9, 8, 1), 20 * random_values(2, 3, 2, seed=1))],
    [
        ("a and b have changed places", lambda x, ab: _paint(x, ab.flip(0))),
        (
            "the lightness is not the frame's own: only a and b may be replaced",
            *(_flat(lambda own, level=level: level) for level in (0, 50, 65, 100)),
            _flat(lambda own: own.mean()),
        ),
        ("the colours stand in blocks: scale ab up with mode='bilinear'", lambda x, ab: _painted(x, ab, mode="nearest")),
        (
            "the colours are shifted: with align_corners=True the corner pixels are stretched to the edges; it should be False",
            lambda x, ab: _painted(x, ab, mode="bilinear", align_corners=True),
        ),
    ],
    tolerance=1.01,
)
