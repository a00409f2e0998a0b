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
    """Draw keypoints (count, 2) in the middle of a frame of (H, W) pixels."""
    return np.random.default_rng(seed).uniform(0.2, 0.8, (count, 2)) * np.array(size[::-1])


def _blobs(xy: np.ndarray, size, grid, sigma: float, centre=0.5, off=None, power=2, crossed=False) -> Tensor:
    """Make Gaussian heat maps, correctly or with one of the usual mistakes.

    Args:
        xy, size, grid, sigma: as in :func:`~tinytrack.label_maps.joint_maps`.
        centre: added to pixel coordinates before they are scaled.
        off: subtracted from cell coordinates after that; None: ``centre`` again.
        power: the power of sigma in the denominator.
        crossed: swap x and y on the grid.
    """
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
            "The coordinates x and y are swapped: x counts columns, and y counts rows",
            lambda xy, s, g, sigma: _blobs(xy[:, ::-1], s, g, sigma),
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, crossed=True),
        ),
        (
            "Your peaks are half a cell off: because (0, 0) is the centre of a pixel, the cell is (x + 0.5) * w / W - 0.5",
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, centre=0.0),
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, off=0.0),
        ),
        (
            "The factor 2 is missing: a Gaussian is exp(-distance squared / (2 sigma squared))",
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma / math.sqrt(2)),
        ),
        (
            "In your Gaussian sigma is not squared: divide the squared distance by 2 * sigma**2",
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, power=1),
        ),
        (
            "The maps sum to one: leave out the division, so that the peaks are about 1 and the confidence can be read off them",
            lambda xy, s, g, sigma: _share(_blobs(xy, s, g, sigma)),
        ),
    ],
)


def _share(maps: Tensor) -> Tensor:
    """Divide each map by its sum."""
    return maps / maps.sum((1, 2), keepdim=True)


def _found(maps: Tensor, size: tuple[int, int], reach: int) -> np.ndarray:
    return locate_joints(maps, size, reach)[0]


def _peaky(seed: int, size, grid) -> Tensor:
    """Make maps with one clear peak each, and a faint one far away that a local centre of mass does not see."""
    far = _joints(seed, size, 3)
    return _joint_maps(far, size, grid).double() + 0.2 * _joint_maps(np.array(size[::-1]) - far, size, grid).double()


def _scaled(maps: Tensor, size: tuple[int, int], centre: float = 0.0) -> np.ndarray:
    """Locate the peaks with a plain scale from cells to pixels, without subtracting half a pixel."""
    return (_found(maps, tuple(maps.shape[1:]), 2) + centre) * np.array([size[1] / maps.shape[2], size[0] / maps.shape[1]])


locate = Exercise(
    "locate",
    lambda maps, size: _found(maps, size, 2),
    lambda: [(_peaky(0, (60, 100), (15, 20)), (60, 100)), (_peaky(4, (88, 64), (22, 16)), (88, 64))],
    [
        ("Your function returns whole cells: take the centre of mass around the peak, which is finer", lambda m, s: _found(m, s, 0)),
        (
            "You take the centre of mass of the whole map, which a faint second peak pulls away: use only the cells near the highest peak",
            lambda m, s: _found(m, s, 99),
        ),
        ("The coordinates x and y are swapped: x counts columns, and y counts rows", lambda m, s: _found(m, s, 2)[:, ::-1]),
        ("Your function returns cells of the grid: scale them to pixels", lambda m, s: _found(m, tuple(m.shape[1:]), 2)),
        (
            "Your positions are half a cell off: the centre of cell 0 is at pixel (0 + 0.5) * W / w - 0.5",
            _scaled,
            lambda m, s: _scaled(m, s, 0.5),
        ),
    ],
)


def _places(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make predicted and true keypoints (6, 2); one is hidden in the truth, and another was lost by the tracker."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 100, (6, 2))
    predicted = true + rng.normal(0, 9, (6, 2))
    true[1], predicted[4] = np.nan, np.nan
    return predicted, true


def _right(predicted: np.ndarray, true: np.ndarray, reach: float, lost: float = 0.0) -> np.ndarray:
    """Score keypoints like pck, with a threshold of ``reach`` pixels and the score ``lost`` for lost ones."""
    distance = np.linalg.norm(predicted - true, axis=1)
    right = np.where(np.isnan(predicted).any(1), lost, distance <= reach)
    return np.where(np.isnan(true).any(1), np.nan, right)


def _box(true: np.ndarray) -> np.ndarray:
    """Compute the width and height of the box around the keypoints that are not hidden."""
    return np.ptp(true[~np.isnan(true).any(1)], axis=0)


pck = Exercise(
    "pck",
    _pck,
    lambda: [(*_places(seed), threshold) for seed in range(6) for threshold in (0.1, 0.2)],
    [
        (
            "The factor 0.6 is missing: the threshold is a share of 0.6 x the diagonal",
            lambda p, t, s: _right(p, t, s * np.linalg.norm(_box(t))),
        ),
        (
            "In your result a lost joint is left out (NaN), which rewards a tracker that gives up on the hard ones: count it as wrong (0)",
            lambda p, t, s: _right(p, t, 0.6 * s * np.linalg.norm(_box(t)), np.nan),
        ),
        ("Your function uses the larger side of the box: use its diagonal instead", lambda p, t, s: _right(p, t, 0.6 * s * _box(t).max())),
        (
            "In your result no joint is ever right: either the threshold is taken as pixels instead of a share of 0.6 x the diagonal,"
            " or the box includes the NaN of hidden joints",
            lambda p, t, s: _right(p, t, s),
        ),
        (
            "In your result hidden joints count as wrong: return NaN where the true position is not known",
            lambda p, t, s: np.nan_to_num(_pck(p, t, s)),
        ),
    ],
)
