"""The exercises of notebooks/06_track_pose.ipynb."""

import math

import numpy as np
import torch
from torch import Tensor

from ...evaluation.metrics import pck as _pck
from ...label_maps import joint_maps as _joint_maps
from ...label_maps import locate_joints
from ..exercise import Exercise


def _joints(seed: int, size: tuple[int, int], count: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.8, (count, 2)) * np.array(size[::-1])


def _blobs(xy: np.ndarray, size, grid, sigma: float, centre=0.5, off=None, power=2, crossed=False) -> Tensor:
    """Gaussians with the half pixel, or without, with sigma to the right power, or not; ``crossed``: x and y change places on the grid."""
    cell = torch.as_tensor((xy + centre) * np.array([grid[1] / size[1], grid[0] / size[0]]) - (centre if off is None else off))
    cell = cell.flip(1) if crossed else cell
    y, x = (torch.arange(n, dtype=torch.float64) for n in grid)
    far = (y[None, :, None] - cell[:, 1, None, None]) ** 2 + (x[None, None] - cell[:, 0, None, None]) ** 2
    return torch.exp(-far / (2 * sigma**power))


joint_maps = Exercise(
    "joint_maps",
    _joint_maps,
    lambda: [(_joints(0, (40, 60), 3), (40, 60), (10, 15), 0.7), (_joints(1, (24, 32), 2), (24, 32), (3, 8), 1.5)],
    [
        (
            "x and y are swapped: x counts columns, y rows",
            lambda xy, s, g, sigma: _blobs(xy[:, ::-1], s, g, sigma),
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, crossed=True),
        ),
        (
            "half a cell off: with (0, 0) the centre of a pixel, a cell is (x + 0.5) * w / W - 0.5",
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, centre=0.0),
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, off=0.0),
        ),
        (
            "the 2 is missing: a Gaussian is exp(-distance squared / (2 sigma squared))",
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma / math.sqrt(2)),
        ),
        ("sigma is not squared", lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, power=1)),
        (
            "the maps sum to one: their peaks should be about 1, so that confidence can be read off them",
            lambda xy, s, g, sigma: _share(_blobs(xy, s, g, sigma)),
        ),
    ],
)


def _share(maps: Tensor) -> Tensor:
    return maps / maps.sum((1, 2), keepdim=True)


def _found(maps: Tensor, size: tuple[int, int], reach: int) -> np.ndarray:
    return locate_joints(maps, size, reach)[0]


def _peaky(seed: int, size, grid) -> Tensor:
    """One clear peak a map, and a faint far one, which a local centre of mass does not see."""
    far = _joints(seed, size, 3)
    return _joint_maps(far, size, grid).double() + 0.2 * _joint_maps(np.array(size[::-1]) - far, size, grid).double()


def _scaled(maps: Tensor, size: tuple[int, int], centre: float = 0.0) -> np.ndarray:
    """Cells times pixels a cell, without half a pixel taken off."""
    return (_found(maps, tuple(maps.shape[1:]), 2) + centre) * np.array([size[1] / maps.shape[2], size[0] / maps.shape[1]])


locate = Exercise(
    "locate",
    lambda maps, size: _found(maps, size, 2),
    lambda: [(_peaky(0, (60, 100), (15, 20)), (60, 100)), (_peaky(4, (88, 64), (22, 16)), (88, 64))],
    [
        ("whole cells: the centre of mass around the peak is finer", lambda m, s: _found(m, s, 0)),
        ("the centre of mass of the whole map: a faint second peak far away pulls it; stay near the first", lambda m, s: _found(m, s, 99)),
        ("x and y are swapped: x counts columns, y rows", lambda m, s: _found(m, s, 2)[:, ::-1]),
        ("these are cells of the grid: scale them to pixels", lambda m, s: _found(m, tuple(m.shape[1:]), 2)),
        (
            "half a cell off: cell 0 is centred on (0 + 0.5) * W / w - 0.5",
            _scaled,
            lambda m, s: _scaled(m, s, 0.5),
        ),
    ],
)


def _places(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints, of which one is hidden in truth and one was lost."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 100, (6, 2))
    predicted = true + rng.normal(0, 9, (6, 2))
    true[1], predicted[4] = np.nan, np.nan
    return predicted, true


def _right(predicted: np.ndarray, true: np.ndarray, reach: float, lost: float = 0.0) -> np.ndarray:
    distance = np.linalg.norm(predicted - true, axis=1)
    right = np.where(np.isnan(predicted).any(1), lost, distance <= reach)
    return np.where(np.isnan(true).any(1), np.nan, right)


def _box(true: np.ndarray) -> np.ndarray:
    return np.ptp(true[~np.isnan(true).any(1)], axis=0)


pck = Exercise(
    "pck",
    _pck,
    lambda: [(*_places(seed), threshold) for seed in range(6) for threshold in (0.1, 0.2)],
    [
        ("0.6 is missing: the threshold is a share of 0.6 x the diagonal", lambda p, t, s: _right(p, t, s * np.linalg.norm(_box(t)))),
        (
            "a lost joint is left out (NaN): whoever gives up on the hard ones would score best; count it as wrong, 0",
            lambda p, t, s: _right(p, t, 0.6 * s * np.linalg.norm(_box(t)), np.nan),
        ),
        ("the box's larger side is taken: it should be its diagonal", lambda p, t, s: _right(p, t, 0.6 * s * _box(t).max())),
        (
            "no joint is ever right: is the threshold taken as pixels (it is a share of 0.6 x the diagonal), or does the box hold the"
            " NaN of hidden joints?",
            lambda p, t, s: _right(p, t, s),
        ),
        ("hidden joints count as wrong: NaN where the truth is not known", lambda p, t, s: np.nan_to_num(_pck(p, t, s))),
    ],
)
