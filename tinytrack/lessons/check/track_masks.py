"""The exercises of notebooks/05_track_masks.ipynb."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...evaluation.metrics import region_j as _region_j
from ...label_maps import read_masks
from ...pointer import affinity as _affinity
from ...propagate import Protocol
from ...propagate import propagate as _propagate
from ..exercise import Exercise
from .cases import distributions, random_values


def _two_masks(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((7, 9)) < 0.4, rng.random((7, 9)) < 0.6


def _masks() -> list[tuple[np.ndarray, np.ndarray]]:
    nothing = np.zeros((3, 4), bool)
    return [_two_masks(0), _two_masks(1), (nothing, nothing), (nothing, ~nothing)]


def _ratio(over: float, under: float, empty: float = 1.0) -> float:
    return float(over / under) if under else empty


def _over(area) -> list:
    """Intersection over some area, with 1, NaN or 0 where that is empty."""
    return [lambda p, t, empty=empty: _ratio((p & t).sum(), area(p, t), empty) for empty in (1.0, math.nan, 0.0)]


def _divided(p: np.ndarray, t: np.ndarray) -> float:
    return int((p & t).sum()) / int((p | t).sum())


region_j = Exercise(
    "region_j",
    _region_j,
    _masks,
    [
        (
            "this is Dice (twice the intersection over the sum of the areas): J divides by the union",
            *_over(lambda p, t: (p.sum() + t.sum()) / 2),
        ),
        ("divided by the true area: an object that floods the frame would be perfect", *_over(lambda p, t: t.sum())),
        ("divided by the predicted area: one correct pixel would be perfect", *_over(lambda p, t: p.sum())),
        (
            "this is the share of pixels that agree: background counts, and for a small object there is little else",
            lambda p, t: (p == t).mean(),
        ),
        ("two empty masks give 0: nothing to find and nothing found is right, 1", lambda p, t: _ratio((p & t).sum(), (p | t).sum(), 0.0)),
        (
            "two empty masks divide 0 by 0: nothing to find and nothing found is right, 1",
            lambda p, t: _ratio((p & t).sum(), (p | t).sum(), math.nan),
            _divided,
        ),
    ],
)


def _protocol(back: tuple[int, ...], keep_first: bool = True) -> Protocol:
    return Protocol("exercise", size=None, back=back, keep_first=keep_first)


def _newest_first(index: int, back: tuple[int, ...], keep_first: bool) -> list[int]:
    return list(dict.fromkeys([0] * keep_first + [index - n for n in back if n <= index]))


references = Exercise(
    "references",
    lambda index, back, keep_first: _protocol(back, keep_first).references(index),
    lambda: [(5, (1, 2, 3), True), (1, (1, 2, 3), True), (9, (1, 4), False), (2, (1, 2), False), (2, (1, 3), False)],
    [
        ("the first frame is never kept: with keep_first it is always a reference", lambda i, b, k: _protocol(b, False).references(i)),
        ("the first frame is always kept: only with keep_first", lambda i, b, k: _protocol(b, True).references(i)),
        (
            "frames before the first one are references: leave out what is negative",
            lambda i, b, k: sorted({i - n for n in b} | ({0} if k else set())),
        ),
        ("a frame is among its own references: it has no labels yet", lambda i, b, k: [*_protocol(b, k).references(i), i]),
        ("a frame stands in the list twice", lambda i, b, k: sorted([i - n for n in b if n <= i] + ([0] if k else []))),
        ("the newest comes first: in order of time, please", lambda i, b, k: _protocol(b, k).references(i)[::-1], _newest_first),
    ],
)


def _follow(f: Tensor, labels: Tensor, temperature: float, first=True, recent=True, feed=lambda y: y) -> list[Tensor]:
    """Propagate with the first and the previous frame as references, or with a slip."""
    rows = f.flatten(2).mT  # (T, M, D)
    carried = [labels.flatten(1).T]
    for t in range(1, len(f)):
        past = [0] * first + [t - 1] * recent
        A = _affinity(rows[t][None], torch.cat([rows[s] for s in past])[None], temperature)
        carried.append(feed((A @ torch.cat([carried[s] for s in past])[None])[0]))
    return [c.T.view_as(labels) for c in carried]


def _harden(y: Tensor) -> Tensor:
    return F.one_hot(y.argmax(-1), y.shape[-1]).to(y.dtype)


def _all_hard(f: Tensor, labels: Tensor, temperature: float) -> list[Tensor]:
    return _follow(f, _harden(labels.movedim(0, -1)).movedim(-1, 0), temperature, feed=_harden)


propagate = Exercise(
    "propagate",
    lambda f, labels, temperature: torch.stack(list(_propagate(f, labels, _protocol((1,)), temperature))),
    lambda: [
        (random_values(4, 6, 2, 3), distributions(2, 3, 3, seed=1).movedim(-1, 0), 0.5),
        (random_values(5, 3, 3, 2, seed=2), distributions(3, 2, 2, seed=3).movedim(-1, 0), 1.0),
    ],
    [
        ("only the first frame is asked: the previous one is a reference too", lambda f, c, t: _follow(f, c, t, recent=False)),
        (
            "only the previous frame is asked: the first one, whose labels are true, is a reference too",
            lambda f, c, t: _follow(f, c, t, first=False),
        ),
        (
            "labels are made hard before they are fed back: copy the soft ones, or every error is final",
            lambda f, c, t: _follow(f, c, t, feed=_harden),
            _all_hard,
        ),
        ("the temperature is not used", lambda f, c, t: _follow(f, c, 1.0)),
        ("the first labels are missing: frame 0 gives back what was given", lambda f, c, t: _follow(f, c, t)[1:]),
    ],
)


def _read(maps: Tensor, balance: float, read: str = "balanced") -> np.ndarray:
    return read_masks(maps, np.arange(1, len(maps)), tuple(maps.shape[1:]), read, balance)


def _soft_maps(seed: int) -> Tensor:
    """A background that is stronger almost everywhere, as in dissolving labels."""
    y = random_values(3, 4, 5, seed=seed)
    y[0] += 1.2
    return y.softmax(0)


read_balanced = Exercise(
    "read_balanced",
    _read,
    lambda: [(_soft_maps(0), 0.2), (_soft_maps(1), 0.5), (_soft_maps(2), 0.9)],
    [
        ("this is the plain argmax: divide each map by its prior to the power of balance first", lambda y, b: _read(y, 0.0)),
        ("the maps are multiplied by the prior: that favours the background even more; divide", lambda y, b: _read(y, -b)),
        ("all of the prior is taken back: only its power of balance", lambda y, b: _read(y, 1.0)),
        ("each map is stretched to 0..1 (min-max): divide by a power of its mean instead", lambda y, b: _read(y, b, "min_max")),
    ],
)
