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
        ("the others are hidden and this one is shown: the network would see just what it must predict", _others_hidden),
        ("a frame is hidden, not a channel: the axes are (B, T, channels, H, W)", _frame_hidden),
        ("the channel is cut out: the network expects three; set it to 0", lambda p, c: torch.cat([p[:, :, :c], p[:, :, c + 1 :]], dim=2)),
        ("nothing is hidden", lambda p, c: p),
    ],
)


def _blob(seed: int, h: int, w: int) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    rng = np.random.default_rng(seed)
    return np.hypot(y - h * rng.uniform(0.35, 0.6), x - w * rng.uniform(0.35, 0.6)) < rng.uniform(0.2, 0.35) * min(h, w)


def _through(
    mask: np.ndarray, grid: tuple[int, int], down: str = "area", up: str = "bilinear", corners=False, dtype=torch.float64
) -> float:
    """J of a mask with itself after a trip to the grid and back."""
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
            "one pixel of each cell decides on the way down: average over the cell",
            lambda m, g: _through(m, g, down="nearest"),
            lambda m, g: _through(m, g, down="nearest", dtype=torch.float32),  # where a share is just one half, rounding decides
        ),
        ("the way back is in blocks: scale up with mode='bilinear' before you decide", lambda m, g: _through(m, g, up="nearest")),
        ("nearest both ways: average on the way down, bilinear on the way back", lambda m, g: _through(m, g, "nearest", "nearest")),
        (
            "with align_corners=True the corner cells are stretched to the edges; it should be False",
            lambda m, g: _through(m, g, corners=True),
        ),
        ("the mask is compared with itself: it must go to the grid and back first", lambda m, g: 1.0),
    ],
)
