"""The exercises of notebooks/07_when_it_breaks.ipynb."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import kendalltau, rankdata
from torch import Tensor

from ...color import chroma, frames_to_lab
from ...evaluation.metrics import color_error as _color_error
from ...evaluation.statistics import rank_correlation as spearman
from ...evaluation.statistics import time_removed
from ...pointer import affinity
from ..compare import as_array
from ..exercise import Exercise, Experiment
from ..worked_example import BACKGROUND, worked_example
from .cases import random_frame, random_values


def _pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Make pairs of related lists, one pair without ties and one with ties."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=12)
    ties = rng.integers(0, 4, 15).astype(float)
    few = np.array([3.0, 1.0, 2.0, 10.0, 4.0]), np.array([1.0, 2.0, 0.0, 50.0, 3.0])
    return [(x, np.exp(2 * x) + rng.normal(size=12)), (ties, -ties + rng.integers(0, 3, 15)), few]


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(x, y)[0, 1])


_covariances = [lambda x, y, ddof=ddof: np.cov(rankdata(x), rankdata(y), ddof=ddof)[0, 1] for ddof in (0, 1)]


def _sorted_first(x: np.ndarray, y: np.ndarray) -> float:
    return _pearson(np.sort(x), np.sort(y))


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
        (
            "In your function equal values all get the smallest or the largest of their ranks: give them the mean of their ranks",
            *(lambda x, y, how=how: _pearson(rankdata(x, how), rankdata(y, how)) for how in ("min", "max", "dense")),
        ),
        (
            "Your formula with the squared differences of ranks is exact only without ties: compute Pearson's correlation of the ranks",
            lambda x, y: 1 - 6 * ((rankdata(x) - rankdata(y)) ** 2).sum() / (len(x) * (len(x) ** 2 - 1)),
        ),
        (
            "Your function computes Kendall's correlation: compute Pearson's correlation of the ranks",
            lambda x, y: kendalltau(x, y).statistic,
        ),
        ("Your function computes the covariance of the ranks: divide it by both standard deviations", *_covariances),
        (
            "Your function returns the whole matrix of correlations: return its entry [0, 1]",
            lambda x, y: np.corrcoef(rankdata(x), rankdata(y)),
        ),
        ("The lists are sorted, so each value loses its partner: replace the values by ranks, and keep their order", _sorted_first),
    ],
    edges=lambda: [
        ("the lists are in opposite order", (np.array([1.0, 2.0, 3.0, 4.0]), np.array([8.0, 6.0, 4.0, 1.0]))),
        ("only one list has ties", (np.array([1.0, 2.0, 2.0, 4.0]), np.array([3.0, 1.0, 5.0, 4.0]))),
        ("the lists have negative values", (np.array([-1.0, -5.0, 2.0, 0.0]), np.array([0.5, -0.5, -2.0, 3.0]))),
    ],
    steps=lambda x, y: {"the ranks of the first list": rankdata(x), "the ranks of the second list": rankdata(y)},
)


def _lab_difference(p: np.ndarray, t: np.ndarray) -> Tensor:
    return frames_to_lab(p) - frames_to_lab(t)


_signed = [lambda p, t: _lab_difference(p, t)[1:].mean(), lambda p, t: _lab_difference(p, t)[1:].mean((1, 2)).norm()]
color_error = Exercise(
    "color_error",
    _color_error,
    lambda: [
        *[(random_frame(5, 6), random_frame(5, 6, 1)), (random_frame(3, 8, 2), random_frame(3, 8, 3))],
        (random_frame(1, 3, 4), random_frame(1, 3, 5)),
        (random_frame(2, 2, 6), random_frame(2, 2, 7)),
    ],
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
        (
            "Your function compares only one of a and b: the distance needs both",
            *(lambda p, t, n=n: _lab_difference(p, t)[n].abs().mean() for n in (1, 2)),
        ),
        (
            "Your function takes L and a: the colour channels are a and b, which are channels 1 and 2",
            lambda p, t: _lab_difference(p, t)[:2].square().sum(0).sqrt().mean(),
        ),
        (
            "Your function averages over a and b as well as pixels: add the squares of a and b, take the root, then average",
            lambda p, t: _lab_difference(p, t)[1:].square().mean().sqrt(),
            lambda p, t: _lab_difference(p, t)[1:].square().mean(0).sqrt().mean(),
            lambda p, t: _lab_difference(p, t)[1:].abs().mean(),
            lambda p, t: _lab_difference(p, t)[1:].square().mean(),
        ),
        ("The differences are averaged with their signs, so they cancel: take the distance of each pixel first", *_signed),
        (
            "The distances are summed, so the error grows with the frame: average them",
            lambda p, t: _lab_difference(p, t)[1:].norm(dim=0).sum(),
        ),
        (
            "One length is taken over the whole frame: take the distance of each pixel first, then the mean",
            lambda p, t: _lab_difference(p, t)[1:].norm(),
        ),
        ("Your function returns the distance of each pixel: return their mean", lambda p, t: _lab_difference(p, t)[1:].norm(dim=0)),
        (
            "Your function returns the largest or the median distance: return the mean",
            lambda p, t: _lab_difference(p, t)[1:].norm(dim=0).max(),
            lambda p, t: _lab_difference(p, t)[1:].norm(dim=0).median(),
        ),
        (
            "The frames are subtracted as uint8, where 3 - 5 is 254: convert them to Lab first",
            lambda p, t: np.linalg.norm(p - t, axis=-1).mean(),
            lambda p, t: np.abs(p - t).mean(),
        ),
        (
            "Your function compares saturations (the length of a and b), but such colours can differ: subtract a and b first",
            lambda p, t: (frames_to_lab(p)[1:].norm(dim=0) - frames_to_lab(t)[1:].norm(dim=0)).abs().mean(),
        ),
    ],
    tolerance=1e-3,
    edges=lambda: [
        ("both frames are equal (the error is 0)", (random_frame(1, 2, 6), random_frame(1, 2, 6))),
        (
            "the frames differ only in lightness (the error is almost 0)",
            (np.full((1, 2, 3), 40, np.uint8), np.full((1, 2, 3), 200, np.uint8)),
        ),
    ],
    steps=lambda p, t: {"the differences of (L, a, b)": _lab_difference(p, t), "the distances": _lab_difference(p, t)[1:].norm(dim=0)},
)


OPPOSITE, ALIKE = -0.9, 0.5  # rank correlation as the lists are, at most; and correlation of what is left without time, at least


def _two_lists(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Add one wiggle to a trend that rises and to one that falls."""
    t, wiggle = np.arange(n), 1.2 * (-1.0) ** np.arange(n)
    return t + wiggle, wiggle - t


def _judge_time_trap(result: tuple, n: int) -> str:
    """Judge two lists that should be opposites only because of time."""
    x, y = (np.asarray(values, np.float64) for values in result)
    if x.shape != (n,) or y.shape != (n,):
        return f"For n = {n}, your lists have shapes {x.shape} and {y.shape}: expected ({n},) for both"
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return f"For n = {n}, your lists contain values that are infinite or NaN"
    together = spearman(x, y)
    if np.isnan(together):
        return f"For n = {n}, all values of one of your lists are equal, so they have no rank correlation"
    if together > OPPOSITE:
        return f"For n = {n}, the rank correlation of your lists is {together:+.2f}: expected at most {OPPOSITE}"
    x, y = time_removed(x), time_removed(y)
    if min(x.std(), y.std()) < 1e-9:
        return f"For n = {n}, nothing is left of one of your lists when time is removed: add something to its trend that changes the ranks"
    left = _pearson(x, y)
    if left < ALIKE:
        return f"For n = {n}, the correlation of your lists with time removed is {left:+.2f}: expected at least {ALIKE}"
    return ""


time_trap = Experiment("time_trap", _two_lists, lambda: [(20,), (41,)], _judge_time_trap)


TEMPERATURE = 0.02  # of the small examples in the notebook
WRONG_MASK, RIGHT_MASK = 50, 10  # stray share of an object's worst pixel in percent: at least, and at most
WRONG_COLOR, RIGHT_COLOR = 10, 5  # colour error of an object's worst pixel in Lab units: at least, and at most


def _two_symptoms(lab: Tensor, masks: Tensor) -> Tensor:
    """Give object 1 the colour of the background; give object 2 one lightness, and a second colour in its first pixel."""
    scene = lab.clone()
    for t, ids in enumerate(masks):
        scene[t][:, ids == 1] = torch.tensor(BACKGROUND, dtype=lab.dtype)[:, None]
        scene[t, 0][ids == 2] = 15
        row, column = (ids == 2).nonzero()[0]
        scene[t, 1:, row, column] = torch.tensor([60.0, 20.0], dtype=lab.dtype)
    return scene


def _judge_symptoms(result, lab: Tensor, masks: Tensor) -> str:
    """Judge a scene in which only the mask of object 1 and only the colours of object 2 should be wrong."""
    scene = torch.as_tensor(as_array(result)).double()
    if scene.shape != lab.shape:
        return f"Your scene has shape {tuple(scene.shape)}: expected {tuple(lab.shape)}, like lab"
    if not scene.isfinite().all() or not (0 <= scene[:, 0]).all() or not (scene[:, 0] <= 100).all():
        return "Your scene has a lightness outside 0..100, or a number that is infinite or NaN"
    # point and copy, as in the notebook
    angle = scene[:, 0].flatten(1) * (torch.pi / 100)
    f = torch.stack([angle.cos(), angle.sin()], dim=-1)
    A = affinity(f[1:], f[:1], TEMPERATURE)[0]
    first, now = masks.flatten(1)
    stray = 100 * (1 - (A * (now[:, None] == first)).sum(1))
    error = chroma((A @ scene[0, 1:].flatten(1).mT - scene[1, 1:].flatten(1).mT).mT[None, :, None])[0, 0]
    share, gap = ({n: float(values[now == n].max()) for n in (1, 2)} for values in (stray, error))
    if share[1] < WRONG_MASK:
        return f"The mask of object 1 has a stray share of at most {share[1]:.0f} %: expected at least {WRONG_MASK} % in some pixel"
    if gap[1] > RIGHT_COLOR:
        return f"The mask of object 1 is wrong, but its colours are too, by up to {gap[1]:.0f}: expected at most {RIGHT_COLOR}"
    if gap[2] < WRONG_COLOR:
        return f"The colours of object 2 are wrong by at most {gap[2]:.0f}: expected at least {WRONG_COLOR} in some pixel"
    if share[2] > RIGHT_MASK:
        return (
            f"The colours of object 2 are wrong, but its mask is too, with a stray share of {share[2]:.0f} %:"
            f" expected at most {RIGHT_MASK} %"
        )
    return ""


def _small_example() -> list[tuple[Tensor, Tensor]]:
    example = worked_example()
    return [(frames_to_lab(example.frames[:2]), torch.tensor(example.masks[:2], dtype=torch.long))]


symptoms = Experiment("symptoms", _two_symptoms, _small_example, _judge_symptoms)


RETURNS, FADES = 90, (20, 80)  # share of the label in percent: at least, and from where to where


def _three_looks(f: Tensor, classes: Tensor) -> Tensor:
    """Look like object 1, like a mixture of both objects, and like object 2."""
    thing, other = f[classes == 1][0], f[classes == 2][0]
    return F.normalize(torch.stack([thing, thing + other, other]), dim=1)


def _judge_looks(result, f: Tensor, classes: Tensor) -> str:
    """Judge three looks of a pixel of object 1: its label should return, fade, and jump to object 2."""
    looks = torch.as_tensor(as_array(result)).double()
    if looks.shape != (3, f.shape[1]):
        return f"Your looks have shape {tuple(looks.shape)}: expected (3, {f.shape[1]}), three embeddings"
    length = looks.norm(dim=1)
    if not ((length - 1).abs() < 1e-3).all():
        return f"Your embeddings have the lengths {[round(x, 2) for x in length.tolist()]}: expected 1, so divide each by its length"
    A = affinity(looks[None], f[None], TEMPERATURE)[0]
    own, other = ((100 * A[:, classes == n].sum(1)).tolist() for n in (1, 2))
    if own[0] < RETURNS:
        return f"The first look gets {own[0]:.0f} % of the label of object 1: expected at least {RETURNS} %, so that the label returns"
    if not FADES[0] <= own[1] <= FADES[1]:
        low, high = FADES
        return f"The second look gets {own[1]:.0f} % of the label of object 1: expected {low} % to {high} %, so that the label fades"
    if other[2] < RETURNS:
        return f"The third look gets {other[2]:.0f} % of the label of object 2: expected at least {RETURNS} %, so that the label jumps"
    return ""


def _first_frames() -> list[tuple[Tensor, Tensor]]:
    """Make frame 0 of the notebook's toy video, and of one with other embeddings in another order."""
    toy, cells = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0.6, 0, 0.8]]).double(), torch.tensor([0, 0, 1, 1, 0, 0, 2, 2])
    random, mixed = F.normalize(random_values(3, 6, seed=3), dim=1), torch.tensor([2, 0, 1, 0, 2, 1])
    return [(toy[cells], cells), (random[mixed], mixed)]


looks = Experiment("looks", _three_looks, _first_frames, _judge_looks)
