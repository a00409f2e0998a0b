"""The exercises of notebooks/08_what_came_next.ipynb."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...evaluation.metrics import region_j as _region_j
from ...label_maps import mask_labels, read_masks
from ..exercise import Exercise
from .cases import random_values


def _without(picture: Tensor, channel: int) -> Tensor:
    """Set one channel to 0."""
    hidden = picture.clone()
    hidden[..., channel, :, :] = 0
    return hidden


def _others_hidden(picture: Tensor, channel: int) -> Tensor:
    return picture - _without(picture, channel)


def _frame_hidden(picture: Tensor, channel: int) -> Tensor:
    hidden = picture.clone()
    hidden[:, channel] = 0
    return hidden


hide_channel = Exercise(
    "hide_channel",
    _without,
    lambda: [(random_values(2, 4, 3, 5, 6), 1), (random_values(1, 5, 3, 4, 2, seed=1), 2), (random_values(1, 3, 3, 2, 5, seed=2), 0)],
    [
        (
            "The other channels are hidden and this one is shown, so the network sees exactly what it must predict: hide this one instead",
            _others_hidden,
        ),
        ("Your function hides a frame instead of a channel: the axes are (B, T, channels, H, W), so the channel is axis 2", _frame_hidden),
        (
            "The channel is cut out, but the network expects three: set the channel to 0 instead",
            lambda p, c: torch.cat([p[:, :, :c], p[:, :, c + 1 :]], dim=2),
        ),
        ("In your result nothing is hidden: set the given channel to 0", lambda p, c: p),
    ],
)


def _blob(seed: int, h: int, w: int) -> np.ndarray:
    """Draw a disk of random place and size as a boolean mask."""
    y, x = np.mgrid[:h, :w]
    rng = np.random.default_rng(seed)
    return np.hypot(y - h * rng.uniform(0.35, 0.6), x - w * rng.uniform(0.35, 0.6)) < rng.uniform(0.2, 0.35) * min(h, w)


def _through(
    mask: np.ndarray, grid: tuple[int, int], down: str = "area", up: str = "bilinear", corners=False, dtype=torch.float64
) -> float:
    """Scale a mask down to the grid and up again, and compute its J with the original."""
    maps = torch.as_tensor(mask, dtype=dtype)[None, None]
    maps = F.adaptive_avg_pool2d(maps, grid) if down == "area" else F.interpolate(maps, grid, mode="nearest")
    smooth = {"align_corners": corners} if up == "bilinear" else {}
    return _region_j(F.interpolate(maps, mask.shape, mode=up, **smooth)[0, 0].numpy() > 0.5, mask)


ceiling = Exercise(
    "ceiling",
    lambda mask, grid: _region_j(read_masks(mask_labels(mask, np.array([1]), grid), np.array([1]), mask.shape) == 1, mask),
    lambda: [(_blob(0, 60, 80), (8, 10)), (_blob(1, 48, 36), (6, 5)), (_blob(2, 90, 70), (9, 7))],
    [
        (
            "In your function one pixel of each cell decides on the way down: average over the cell instead",
            lambda m, g: _through(m, g, down="nearest"),
            lambda m, g: _through(m, g, down="nearest", dtype=torch.float32),  # where a share is exactly one half, rounding decides
        ),
        ("The way back is in blocks: scale up with mode='bilinear' before you compare with 0.5", lambda m, g: _through(m, g, up="nearest")),
        (
            "Your function uses nearest both ways: average on the way down, and scale up bilinearly on the way back",
            lambda m, g: _through(m, g, "nearest", "nearest"),
        ),
        (
            "The corner cells are stretched to the edges by align_corners=True: set it to False",
            lambda m, g: _through(m, g, corners=True),
        ),
        ("The mask is compared with itself: bring it to the grid and back first", lambda m, g: 1.0),
    ],
)
