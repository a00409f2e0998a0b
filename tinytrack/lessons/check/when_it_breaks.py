"""The exercises of notebooks/07_when_it_breaks.ipynb."""

import numpy as np
from scipy.stats import rankdata
from torch import Tensor

from ...color import frames_to_lab
from ...evaluation.metrics import color_error as _color_error
from ...evaluation.statistics import rank_correlation as spearman
from ..exercise import Exercise
from .cases import random_frame


def _pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Make pairs of related lists, one pair without ties and one with ties."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=12)
    ties = rng.integers(0, 4, 15).astype(float)
    return [(x, np.exp(2 * x) + rng.normal(size=12)), (ties, -ties + rng.integers(0, 3, 15))]


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(x, y)[0, 1])


rank_correlation = Exercise(
    "rank_correlation",
    spearman,
    _pairs,
    [
        (
            "Your function computes Pearson's correlation of the values themselves, which a single outlier can decide: take ranks first",
            _pearson,
        ),
        (
            "In your function ties get different ranks, which depend on their order in the list: give equal values the mean of their ranks",
            lambda x, y: _pearson(x.argsort(kind="stable").argsort(), y.argsort(kind="stable").argsort()),
            lambda x, y: _pearson(x.argsort().argsort(), y.argsort().argsort()),
        ),
        (
            "Applying argsort once gives an order, not ranks: apply it twice, or use scipy.stats.rankdata",
            lambda x, y: _pearson(x.argsort(), y.argsort()),
        ),
        (
            "Your function ranks only one of the two lists: rank both",
            lambda x, y: _pearson(rankdata(x), y),
            lambda x, y: _pearson(x, rankdata(y)),
            lambda x, y: _pearson(x.argsort().argsort(), y),
            lambda x, y: _pearson(x, y.argsort().argsort()),
        ),
        ("The sign is wrong: two lists in the same order should give +1", lambda x, y: -spearman(x, y)),
    ],
)


def _lab_difference(p: np.ndarray, t: np.ndarray) -> Tensor:
    return frames_to_lab(p) - frames_to_lab(t)


color_error = Exercise(
    "color_error",
    _color_error,
    lambda: [(random_frame(5, 6), random_frame(5, 6, 1)), (random_frame(3, 8, 2), random_frame(3, 8, 3))],
    [
        (
            "In your distance the lightness counts: use only a and b, because L was given and only the colours were predicted",
            lambda p, t: _lab_difference(p, t).square().sum(0).sqrt().mean(),
        ),
        (
            "The root comes after the mean: take the distance of each pixel first, then the mean",
            lambda p, t: _lab_difference(p, t)[1:].square().sum(0).mean().sqrt(),
        ),
        ("The root is missing: average the distances, not their squares", lambda p, t: _lab_difference(p, t)[1:].square().sum(0).mean()),
        (
            "The absolute differences are added: use the distance in the plane of a and b instead, the root of the sum of squares",
            lambda p, t: _lab_difference(p, t)[1:].abs().sum(0).mean(),
        ),
        (
            "Your function measures distances in RGB, where light and colour are mixed: convert to Lab first",
            lambda p, t: np.linalg.norm(p.astype(float) - t, axis=-1).mean(),
        ),
    ],
    tolerance=1e-3,
)
