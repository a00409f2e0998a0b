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
    """Return functions that divide the intersection by some area, and give 1, NaN or 0 where that area is empty."""
    return [lambda p, t, empty=empty: _ratio((p & t).sum(), area(p, t), empty) for empty in (1.0, math.nan, 0.0)]


def _divided(p: np.ndarray, t: np.ndarray) -> float:
    """Compute J in Python integers, which raises a ZeroDivisionError for two empty masks."""
    return int((p & t).sum()) / int((p | t).sum())


region_j = Exercise(
    "region_j",
    _region_j,
    _masks,
    [
        (
            "Your function computes Dice (twice the intersection over the sum of the areas): divide the intersection by the union instead",
            *_over(lambda p, t: (p.sum() + t.sum()) / 2),
        ),
        (
            "The intersection is divided by the true area, so a mask that floods the frame would be perfect: divide by the union instead",
            *_over(lambda p, t: t.sum()),
        ),
        (
            "The intersection is divided by the predicted area, so one correct pixel would be perfect: divide by the union instead",
            *_over(lambda p, t: p.sum()),
        ),
        (
            "Your function returns the share of pixels that agree, most of them background if the object is small:"
            " divide the intersection by the union instead",
            lambda p, t: (p == t).mean(),
        ),
        (
            "In your function two empty masks give 0: return 1, because there was nothing to find and nothing was found",
            lambda p, t: _ratio((p & t).sum(), (p | t).sum(), 0.0),
        ),
        (
            "In your function two empty masks divide 0 by 0: return 1, because there was nothing to find and nothing was found",
            lambda p, t: _ratio((p & t).sum(), (p | t).sum(), math.nan),
            _divided,
        ),
    ],
)


def _protocol(back: tuple[int, ...], keep_first: bool = True) -> Protocol:
    return Protocol("exercise", size=None, back=back, keep_first=keep_first)


def _newest_first(index: int, back: tuple[int, ...], keep_first: bool) -> list[int]:
    first = [0] if keep_first else []
    return list(dict.fromkeys(first + [index - n for n in back if n <= index]))


references = Exercise(
    "references",
    lambda index, back, keep_first: _protocol(back, keep_first).references(index),
    lambda: [(5, (1, 2, 3), True), (1, (1, 2, 3), True), (9, (1, 4), False), (2, (1, 2), False), (2, (1, 3), False)],
    [
        (
            "In your list the first frame is never kept: with keep_first it is always a reference",
            lambda i, b, k: _protocol(b, False).references(i),
        ),
        (
            "In your list the first frame is always kept: keep it only if keep_first is true",
            lambda i, b, k: _protocol(b, True).references(i),
        ),
        (
            "The list contains frames before the first one: leave out negative numbers",
            lambda i, b, k: sorted({i - n for n in b} | ({0} if k else set())),
        ),
        (
            "The frame is among its own references: leave it out, because it has no labels yet",
            lambda i, b, k: [*_protocol(b, k).references(i), i],
        ),
        (
            "A frame appears in the list twice: list each reference once",
            lambda i, b, k: sorted([i - n for n in b if n <= i] + ([0] if k else [])),
        ),
        (
            "The newest frame comes first: list the frames in ascending order",
            lambda i, b, k: _protocol(b, k).references(i)[::-1],
            _newest_first,
        ),
    ],
)


def _follow(f: Tensor, labels: Tensor, temperature: float, first=True, recent=True, feed=lambda y: y) -> list[Tensor]:
    """Propagate with the first and the previous frame as references, or with one of the usual mistakes.

    Args:
        f: embeddings (T, D, h, w).
        labels: (K, h, w) of the first frame.
        temperature: of Eq. 2.
        first, recent: whether the first and the previous frame are references.
        feed: turns copied labels (M, K) into those that later frames copy.
    """
    rows = f.flatten(2).mT  # (T, M, D)
    carried = [labels.flatten(1).T]
    for t in range(1, len(f)):
        past = ([0] if first else []) + ([t - 1] if recent else [])
        A = _affinity(rows[t][None], torch.cat([rows[s] for s in past])[None], temperature)
        carried.append(feed((A @ torch.cat([carried[s] for s in past])[None])[0]))
    return [c.T.view_as(labels) for c in carried]


def _harden(y: Tensor) -> Tensor:
    return F.one_hot(y.argmax(-1), y.shape[-1]).to(y.dtype)


def _all_hard(f: Tensor, labels: Tensor, temperature: float) -> list[Tensor]:
    """Propagate hard labels only, from the first frame on."""
    return _follow(f, _harden(labels.movedim(0, -1)).movedim(-1, 0), temperature, feed=_harden)


propagate = Exercise(
    "propagate",
    lambda f, labels, temperature: torch.stack(list(_propagate(f, labels, _protocol((1,)), temperature))),
    lambda: [
        (random_values(4, 6, 2, 3), distributions(2, 3, 3, seed=1).movedim(-1, 0), 0.5),
        (random_values(5, 3, 3, 2, seed=2), distributions(3, 2, 2, seed=3).movedim(-1, 0), 1.0),
    ],
    [
        ("The only reference is the first frame: point at the previous frame too", lambda f, c, t: _follow(f, c, t, recent=False)),
        (
            "The only reference is the previous frame: point at the first frame too, whose labels are true",
            lambda f, c, t: _follow(f, c, t, first=False),
        ),
        (
            "The labels are made hard before they are fed back, which makes every error final: feed back the soft labels",
            lambda f, c, t: _follow(f, c, t, feed=_harden),
            _all_hard,
        ),
        ("The temperature is not used: divide the logits by it before the softmax", lambda f, c, t: _follow(f, c, 1.0)),
        (
            "The first labels are missing: start the list with the given labels, which are the result for frame 0",
            lambda f, c, t: _follow(f, c, t)[1:],
        ),
    ],
)


def _read(maps: Tensor, balance: float, read: str = "balanced") -> np.ndarray:
    return read_masks(maps, np.arange(1, len(maps)), tuple(maps.shape[1:]), read, balance)


def _soft_maps(seed: int) -> Tensor:
    """Make class maps whose background is stronger almost everywhere, as in labels that fade."""
    y = random_values(3, 4, 5, seed=seed)
    y[0] += 1.2
    return y.softmax(0)


read_balanced = Exercise(
    "read_balanced",
    _read,
    lambda: [(_soft_maps(0), 0.2), (_soft_maps(1), 0.5), (_soft_maps(2), 0.9)],
    [
        (
            "Your function takes the plain argmax: first divide each map by its prior (its mean) to the power of balance",
            lambda y, b: _read(y, 0.0),
        ),
        ("The maps are multiplied by the prior, which favours the background even more: divide by it instead", lambda y, b: _read(y, -b)),
        ("The maps are divided by all of the prior: divide them by the prior to the power of balance", lambda y, b: _read(y, 1.0)),
        ("Each map is stretched to 0..1 (min-max): divide it by a power of its mean instead", lambda y, b: _read(y, b, "min_max")),
    ],
)
