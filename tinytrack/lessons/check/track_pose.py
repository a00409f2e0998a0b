"""The exercises of notebooks/06_track_pose.ipynb."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...evaluation.metrics import pck as _pck
from ...label_maps import joint_maps as _joint_maps
from ...label_maps import locate_joints
from ..exercise import Exercise, Experiment


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


def _rounded(xy: np.ndarray, size, grid, how) -> np.ndarray:
    """Move keypoints to the centre of a cell."""
    scale = np.array([grid[1] / size[1], grid[0] / size[0]])
    return (how((xy + 0.5) * scale - 0.5) + 0.5) / scale - 0.5


joint_maps = Exercise(
    "joint_maps",
    _joint_maps,
    lambda: [
        *[(_joints(0, (40, 60), 3), (40, 60), (10, 15), 0.7), (_joints(1, (24, 32), 2), (24, 32), (3, 8), 1.5)],
        (np.array([[4.5, 2.0], [7.0, 5.5]]), (8, 12), (2, 4), 0.6),
    ],
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
        (
            "The distance is not squared: a Gaussian is exp(-distance squared / (2 sigma squared))",
            lambda xy, s, g, sigma: torch.exp(-(-2 * _blobs(xy, s, g, 1.0).log()).clamp(min=0).sqrt() / (2 * sigma**2)),
        ),
        (
            "The maps are divided by 2 pi sigma squared, as a density is: leave the division out, so that the peaks are about 1",
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma) / (2 * math.pi * sigma**2),
        ),
        (
            "Each map is divided by its largest value: leave the division out, because a peak between two cells should be below 1",
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma) / _blobs(xy, s, g, sigma).amax((1, 2), keepdim=True),
        ),
        (
            "Your peaks are rounded to whole cells: keep the place between two cells, which is finer",
            lambda xy, s, g, sigma: _blobs(_rounded(xy, s, g, np.round), s, g, sigma),
            lambda xy, s, g, sigma: _blobs(_rounded(xy, s, g, np.floor), s, g, sigma),
        ),
        (
            "The height and the width of the picture are swapped: size is (H, W), so x is divided by size[1]",
            lambda xy, s, g, sigma: _blobs(xy, s[::-1], g, sigma),
        ),
        (
            "The maps of all keypoints are merged into one: return one map for each keypoint",
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma).sum(0),
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma).amax(0),
        ),
        (
            "The keypoints are not scaled to cells: multiply x by w / W and y by h / H",
            lambda xy, s, g, sigma: _blobs(xy, g, g, sigma),
        ),
    ],
    edges=lambda: [
        ("a keypoint lies in a corner of the frame", (np.array([[0.0, 0.0], [11.0, 7.0]]), (8, 12), (2, 3), 0.8)),
        ("the grid does not divide the frame", (np.array([[3.0, 6.0]]), (9, 11), (2, 3), 0.8)),
        ("there is only one keypoint", (np.array([[3.0, 2.0]]), (6, 8), (3, 4), 1.0)),
        ("there are as many keypoints as rows", (_joints(2, (12, 20), 3), (12, 20), (3, 5), 0.9)),
    ],
    steps=lambda xy, s, g, sigma: {"the keypoints in cells (x, y)": (xy + 0.5) * np.array([g[1] / s[1], g[0] / s[0]]) - 0.5},
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


def _one_peak() -> Tensor:
    """Make one small map (1, 6, 8) with a peak, a faint second one, and values that are easy to read."""
    heat = torch.zeros(6, 8, dtype=torch.float64)
    heat[0:3, 1:4] = torch.tensor([[0.1, 0.3, 0.1], [0.4, 1.0, 0.6], [0.1, 0.5, 0.2]])
    heat[2, 5], heat[4, 7], heat[5, 3] = 0.3, 0.2, 0.1
    return heat[None]


def _in_cells(maps: Tensor) -> dict[str, Any]:
    """Locate the peaks in cells, as numbers on the way to pixels."""
    index = maps.flatten(1).argmax(1)
    peaks = torch.stack([index // maps.shape[2], index % maps.shape[2]], dim=1)
    return {"the highest cells (row, column)": peaks, "the centres of mass in cells (x, y)": _found(maps, tuple(maps.shape[1:]), 2)}


def _mass(maps: Tensor, size: tuple[int, int], weight) -> np.ndarray:
    """Locate the peaks as a mean of cells with the weights ``weight(maps, dy, dx)``; dy and dx are the steps from the peak."""
    _, h, w = maps.shape
    index = maps.flatten(1).argmax(1)
    y, x = torch.arange(h)[:, None].expand(h, w), torch.arange(w).expand(h, w)
    mass = weight(maps, y - (index // w)[:, None, None], x - (index % w)[:, None, None]).double()
    cells = torch.stack([(mass * axis).sum((1, 2)) / mass.sum((1, 2)) for axis in (x, y)], dim=1).numpy()
    return (cells + 0.5) * np.array([size[1] / w, size[0] / h]) - 0.5


def _near(dy: Tensor, dx: Tensor) -> Tensor:
    return (dy.abs() <= 2) & (dx.abs() <= 2)


def _scaled(maps: Tensor, size: tuple[int, int], centre: float = 0.0) -> np.ndarray:
    """Locate the peaks with a plain scale from cells to pixels, without subtracting half a pixel."""
    return (_found(maps, tuple(maps.shape[1:]), 2) + centre) * np.array([size[1] / maps.shape[2], size[0] / maps.shape[1]])


locate = Exercise(
    "locate",
    lambda maps, size: _found(maps, size, 2),
    lambda: [(_peaky(0, (60, 100), (15, 20)), (60, 100)), (_peaky(4, (88, 64), (22, 16)), (88, 64)), (_one_peak(), (18, 32))],
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
        (
            "Your window reaches only 1 cell from the peak: take the centre of mass within 2 cells of it",
            lambda m, s: _found(m, s, 1),
        ),
        (
            "Your window reaches more than 2 cells from the peak: take the centre of mass within 2 cells of it",
            lambda m, s: _found(m, s, 3),
            lambda m, s: _found(m, s, 4),
        ),
        (
            "Your window is a disk: use the square of 5 x 5 cells around the peak",
            lambda m, s: _mass(m, s, lambda m, dy, dx: m * (dy**2 + dx**2 <= 4)),
        ),
        (
            "Your weights are the squares of the map: weight each cell by the map itself",
            lambda m, s: _mass(m, s, lambda m, dy, dx: m**2 * _near(dy, dx)),
        ),
        (
            "Your weights go through exp or a softmax: weight each cell by the map itself",
            lambda m, s: _mass(m, s, lambda m, dy, dx: m.exp() * _near(dy, dx)),
        ),
        (
            "The cells near the peak are not weighted: weight each of them by the map's value there",
            lambda m, s: _mass(m, s, lambda m, dy, dx: _near(dy, dx)),
        ),
        (
            "The height and the width of the picture are swapped: size is (H, W), so x is multiplied by W / w",
            lambda m, s: _found(m, s[::-1], 2),
        ),
    ],
    edges=lambda: [
        ("a peak lies in the upper left corner", (_one_peak()[:, 0:5, 1:6].roll((-1, -1), (1, 2)), (10, 10))),
        ("a peak lies in the lower right corner", (_one_peak()[:, 0:5, 0:5].flip(1, 2).roll((1, 1), (1, 2)), (10, 10))),
        ("a peak lies at the left border", (_one_peak()[:, :, 2:], (18, 24))),
        ("the grid does not divide the frame", (_one_peak(), (20, 31))),
    ],
    steps=lambda m, s: _in_cells(m),
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


def _each_side(predicted: np.ndarray, true: np.ndarray, reach: float) -> np.ndarray:
    right = (np.abs(predicted - true) <= reach).all(1).astype(float)
    return np.where(np.isnan(true).any(1), np.nan, right)


_FOUR = np.array([[0.0, 0.0], [30.0, 40.0], [np.nan, np.nan], [30.0, 0.0], [0.0, 20.0]])  # a box with a diagonal of 50 pixels
_NEAR = np.array([[2.0, 1.0], [30.0, 47.0], [5.0, 5.0], [np.nan, np.nan], [3.0, 16.0]])


def _sizes(predicted: np.ndarray, true: np.ndarray, threshold: float) -> dict[str, Any]:
    diagonal = float(np.linalg.norm(_box(true)))
    return {
        "the diagonal of the box": diagonal,
        "the threshold in pixels": 0.6 * threshold * diagonal,
        "the distances": np.linalg.norm(predicted - true, axis=1),
    }


pck = Exercise(
    "pck",
    _pck,
    lambda: [
        *((*_places(seed), threshold) for seed in range(6) for threshold in (0.1, 0.2)),
        (_NEAR, _FOUR, 0.2),
        (_NEAR, _FOUR, 0.1),
    ],
    [
        (
            "The factor 0.6 is missing: the threshold is a share of 0.6 x the diagonal",
            lambda p, t, s: _right(p, t, s * np.linalg.norm(_box(t))),
        ),
        (
            "In your result a lost keypoint is left out (NaN), which rewards a tracker that gives up on hard ones: count it as wrong (0)",
            lambda p, t, s: _right(p, t, 0.6 * s * np.linalg.norm(_box(t)), np.nan),
        ),
        ("Your function uses the larger side of the box: use its diagonal instead", lambda p, t, s: _right(p, t, 0.6 * s * _box(t).max())),
        (
            "In your result no keypoint is ever right: either the threshold is taken as pixels instead of a share of 0.6 x the diagonal,"
            " or the box includes the NaN of hidden keypoints",
            lambda p, t, s: _right(p, t, s),
        ),
        (
            "In your result hidden keypoints count as wrong: return NaN where the true position is not known",
            lambda p, t, s: np.nan_to_num(_pck(p, t, s)),
        ),
        (
            "Your box is that of the predicted keypoints: use the true ones, so that a bad tracker does not loosen the threshold",
            lambda p, t, s: _right(p, t, 0.6 * s * np.linalg.norm(_box(p))),
            lambda p, t, s: _right(p, t, 0.6 * s * np.linalg.norm(np.ptp(p, axis=0))),
        ),
        (
            "Your function uses the smaller side of the box, or the sum of its sides: use its diagonal instead",
            lambda p, t, s: _right(p, t, 0.6 * s * _box(t).min()),
            lambda p, t, s: _right(p, t, 0.6 * s * _box(t).sum()),
        ),
        ("Your function uses the area of the box: use its diagonal instead", lambda p, t, s: _right(p, t, 0.6 * s * _box(t).prod())),
        (
            "The threshold is not used: a keypoint may be threshold x 0.6 x the diagonal off",
            lambda p, t, s: _right(p, t, 0.6 * np.linalg.norm(_box(t))),
        ),
        (
            "Your function returns one mean: return the score of each keypoint",
            lambda p, t, s: np.nanmean(_pck(p, t, s)),
            lambda p, t, s: _pck(p, t, s).mean(),
        ),
        ("Your function returns distances: compare them with the threshold", lambda p, t, s: np.linalg.norm(p - t, axis=1)),
        ("In your result right and wrong are swapped: 1 means right", lambda p, t, s: 1 - _pck(p, t, s)),
        (
            "Your function compares x and y separately: compare the distance, the root of the sum of squares",
            lambda p, t, s: _each_side(p, t, 0.6 * s * np.linalg.norm(_box(t))),
        ),
        (
            "The squared distance is compared with the threshold: take the root first",
            lambda p, t, s: _right(p, t, np.sqrt(0.6 * s * np.linalg.norm(_box(t)))),
        ),
        (
            "The hidden keypoints are left out of your list: keep their places, with NaN",
            lambda p, t, s: _pck(p, t, s)[~np.isnan(t).any(1)],
        ),
    ],
    edges=lambda: [
        ("a distance is exactly the threshold (which still counts as right)", (np.array([[2.25, 3.0], [30.0, 40.0]]), _FOUR[:2], 0.125)),
        ("no keypoint is hidden or lost", (_NEAR[:2], _FOUR[:2], 0.1)),
        ("a keypoint is hidden and lost", (np.array([[1.0, 0.0], [30.0, 41.0], [np.nan, np.nan]]), _FOUR[:3], 0.2)),
        ("all keypoints lie in one row", (np.array([[0.0, 1.0], [44.0, 0.0]]), np.array([[0.0, 0.0], [40.0, 0.0]]), 0.1)),
        ("all keypoints are right", (_FOUR[[0, 1, 3]], _FOUR[[0, 1, 3]], 0.1)),
    ],
    steps=_sizes,
)


APART = 1.0  # cells between the two keypoints of the exercise ``sigma``
SPILL = 0.1  # the most that the map of one keypoint may hold where the other one is
MISS = 0.1  # the largest mean distance, in cells, between keypoints and what is read out of their maps


def _round_trip(sigma: float) -> float:
    """Compute the mean distance in cells between keypoints anywhere in their cells and what is read out of their heat maps."""
    grid = (24, 32)
    xy = np.random.default_rng(0).uniform(6, 18, (400, 2))
    return float(np.linalg.norm(_found(_joint_maps(xy, grid, grid, sigma), grid, 2) - xy, axis=1).mean())


def _judge_sigma(sigma: float) -> str:
    sigma = float(sigma)
    if not (sigma > 0 and math.isfinite(sigma)):
        return f"Your sigma is {sigma:g}: expected a positive number of cells"
    spill, miss = math.exp(-(APART**2) / (2 * sigma**2)), _round_trip(sigma)
    seen = f"With sigma {sigma:.3g}, the map of one keypoint holds {spill:.2f} at the other, and the mean error is {miss:.2f} cells"
    if spill > SPILL + 1e-9:  # the exact limit is right
        return f"{seen}: the maps overlap too much, expected at most {SPILL}"
    if not miss <= MISS:  # NaN if the maps are so narrow that they are zero everywhere
        return f"{seen}: the peaks are too narrow to be read between cells, expected at most {MISS}"
    return ""


sigma = Experiment("sigma", lambda: 0.43, lambda: [()], _judge_sigma)
