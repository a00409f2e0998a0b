"""The exercises of notebooks/05_track_masks.ipynb."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...evaluation.metrics import region_j as _region_j
from ...label_maps import read_masks
from ...pointer import affinity as _affinity
from ...propagate import Protocol
from ...propagate import propagate as _propagate
from ..exercise import Exercise, Experiment
from .cases import distributions, random_values

AGREEMENT = 0.99  # share of the pixels on which the two masks of the exercise ``masks`` must agree


def _small_masks(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Make two masks that have no pixel in common and are as small as possible: one is empty, the other has one pixel."""
    predicted, true = np.zeros((2, height, width), bool)
    true[0, 0] = True
    return predicted, true


def _judge_masks(result: tuple[np.ndarray, np.ndarray], height: int, width: int) -> str:
    predicted, true = (np.asarray(mask) for mask in result)
    for mask in (predicted, true):
        if mask.shape != (height, width):
            return f"A mask has shape {mask.shape}: expected ({height}, {width})"
        if not np.isin(mask, (0, 1)).all():
            return f"A mask contains the value {mask[~np.isin(mask, (0, 1))][0]}: expected only True and False"
    agreement, j = (predicted == true).mean(), _region_j(predicted > 0, true > 0)
    if not predicted.any() and not true.any():
        return "J is 1.00, because both masks are empty: there must be an object in at least one of them"
    if j > 0:
        return f"The masks agree on {100 * agreement:.1f} % of the pixels, but J is {j:.2f}: expected 0, so no object pixel may be in both"
    if agreement < AGREEMENT:
        return f"J is 0, but the masks agree on only {100 * agreement:.1f} % of the pixels: expected at least 99 %"
    return ""


masks = Experiment("masks", _small_masks, lambda: [(10, 10), (36, 44), (60, 25)], _judge_masks)


def _protocol(back: tuple[int, ...], keep_first: bool = True) -> Protocol:
    return Protocol("exercise", size=None, back=back, keep_first=keep_first)


def _newest_first(index: int, back: tuple[int, ...], keep_first: bool) -> list[int]:
    first = [0] if keep_first else []
    return list(dict.fromkeys(first + [index - n for n in back if n <= index]))


references = Exercise(
    "references",
    lambda index, back, keep_first: _protocol(back, keep_first).references(index),
    lambda: [
        *[(5, (1, 2, 3), True), (1, (1, 2, 3), True), (9, (1, 4), False), (2, (1, 2), False), (2, (1, 3), False)],
        *[(3, (1, 2, 3), True), (9, (1, 4), True), (4, (1,), False)],
    ],
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
        (
            "Frame 0 is left out where back reaches it: its number is 0, which is not negative",
            lambda i, b, k: sorted({i - n for n in b if n < i} | ({0} if k else set())),
        ),
        (
            "Numbers below 0 are replaced by 0: leave these frames out",
            lambda i, b, k: sorted({max(i - n, 0) for n in b} | ({0} if k else set())),
        ),
        ("Your list has all frames before this one: list only those that back and keep_first ask for", lambda i, b, k: list(range(i))),
        (
            "Your list has the numbers of back themselves: subtract each of them from index",
            lambda i, b, k: sorted({*b} | ({0} if k else set())),
            lambda i, b, k: list(b),
        ),
        (
            "Your list has frames after this one: subtract the numbers of back from index instead of adding them",
            lambda i, b, k: sorted({i + n for n in b} | ({0} if k else set())),
        ),
        (
            "Your function returns how many references there are: return the list of their numbers",
            lambda i, b, k: len(_protocol(b, k).references(i)),
        ),
        (
            "Your function takes the last len(back) frames: back says how many frames to go back, so (1, 4) skips two",
            lambda i, b, k: sorted({*range(max(0, i - len(b)), i)} | ({0} if k else set())),
            lambda i, b, k: list(range(max(0, i - len(b)), i)),
        ),
    ],
    edges=lambda: [
        ("back and keep_first both give frame 0", (2, (1, 2), True)),
        ("every frame of back lies before the first one", (1, (2, 3), True)),
        ("there is no reference at all", (1, (2, 3), False)),
        ("frame 1 has only frame 0 behind it", (1, (1,), False)),
    ],
    kind="integer",
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


def _memories(f: Tensor, labels: Tensor, temperature: float, memory, weigh=None) -> list[Tensor]:
    """Propagate with the frames ``memory(t)`` as references of frame t, and another pointer ``weigh(f_j, f_i)``."""
    weigh = weigh or (lambda j, i: (j @ i.mT / temperature).softmax(-1))
    rows, carried = f.flatten(2).mT, [labels.flatten(1).T]
    for t in range(1, len(f)):
        A = weigh(rows[t], torch.cat([rows[s] for s in memory(t)]))
        carried.append(A @ torch.cat([carried[s] for s in memory(t)]))
    return [c.T.reshape(labels.shape) for c in carried]


def _first_and_last(t: int) -> list[int]:
    return sorted({0, t - 1})


def _harden(y: Tensor) -> Tensor:
    return F.one_hot(y.argmax(-1), y.shape[-1]).to(y.dtype)


def _all_hard(f: Tensor, labels: Tensor, temperature: float) -> list[Tensor]:
    """Propagate hard labels only, from the first frame on."""
    return _follow(f, _harden(labels.movedim(0, -1)).movedim(-1, 0), temperature, feed=_harden)


def _separately(j: Tensor, i: Tensor, temperature: float) -> Tensor:
    """Take one softmax for each reference frame, and their mean."""
    frames = i.split(len(j))
    return torch.cat([(j @ frame.mT / temperature).softmax(-1) for frame in frames], dim=1) / len(frames)


def _attention(f: Tensor, temperature: float) -> dict[str, Tensor]:
    """Compute the weights of the first propagation steps, for small frames."""
    rows = f.flatten(2).mT
    return {
        f"attention of frame {t} on the pixels of frame{'s' * (t > 1)} {' and '.join(map(str, past))}": _affinity(
            rows[t][None], torch.cat([rows[s] for s in past])[None], temperature
        )[0]
        for t, past in ((1, [0]), (2, [0, 1]))
        if t < len(f) and rows.shape[1] < 4
    }


propagate = Exercise(
    "propagate",
    lambda f, labels, temperature: torch.stack(list(_propagate(f, labels, _protocol((1,)), temperature))),
    lambda: [
        (random_values(4, 6, 2, 3), distributions(2, 3, 3, seed=1).movedim(-1, 0), 0.5),
        (random_values(5, 3, 3, 2, seed=2), distributions(3, 2, 2, seed=3).movedim(-1, 0), 1.0),
        (random_values(4, 2, 1, 2, seed=4), torch.tensor([[[0.9, 0.2]], [[0.1, 0.8]]]).double(), 0.5),
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
        (
            "Your references are all frames before this one: use only the first and the previous one",
            lambda f, c, t: _memories(f, c, t, lambda n: list(range(n))),
        ),
        (
            "Your references are the two previous frames: use the first and the previous one",
            lambda f, c, t: _memories(f, c, t, lambda n: sorted({max(n - 2, 0), n - 1})),
        ),
        (
            "The columns of the attention sum to one instead of the rows: take the softmax over the references",
            lambda f, c, t: _memories(f, c, t, _first_and_last, lambda j, i: (j @ i.mT / t).softmax(0)),
        ),
        (
            "The softmax is missing: turn the logits into weights that sum to one before you copy",
            lambda f, c, t: _memories(f, c, t, _first_and_last, lambda j, i: j @ i.mT / t),
        ),
        (
            "The temperature multiplies the logits: divide the logits by it instead",
            lambda f, c, t: _memories(f, c, t, _first_and_last, lambda j, i: (j @ i.mT * t).softmax(-1)),
        ),
        (
            "Each pixel copies only its most similar reference: copy the weighted mean of all references",
            lambda f, c, t: _memories(f, c, t, _first_and_last, lambda j, i: F.one_hot((j @ i.mT).argmax(-1), len(i)).to(j)),
        ),
        (
            "The first frame and each previous frame are copied separately and averaged: take one softmax over the pixels of both",
            lambda f, c, t: _memories(f, c, t, _first_and_last, lambda j, i: _separately(j, i, t)),
        ),
        ("The labels never change: copy them with the attention of each frame", lambda f, c, t: [c] * len(f)),
        ("Your function returns only the last maps: return the list of all T maps", lambda f, c, t: _follow(f, c, t)[-1]),
        ("Your function returns class numbers: return the soft maps (K, h, w)", lambda f, c, t: [y.argmax(0) for y in _follow(f, c, t)]),
    ],
    edges=lambda: [
        ("there are only two frames", (random_values(2, 3, 2, 2, seed=5), distributions(2, 2, 2, seed=6).movedim(-1, 0), 0.7)),
        ("there is only one frame", (random_values(1, 2, 1, 3, seed=7), distributions(1, 3, 2, seed=8).movedim(-1, 0), 0.7)),
        ("the grid has one cell", (random_values(3, 2, 1, 1, seed=9), distributions(1, 1, 3, seed=10).movedim(-1, 0), 1.0)),
    ],
    steps=lambda f, c, t: _attention(f, t),
)


def _read(maps: Tensor, balance: float, read: str = "balanced") -> np.ndarray:
    return read_masks(maps, np.arange(1, len(maps)), tuple(maps.shape[1:]), read, balance)


def _soft_maps(seed: int) -> Tensor:
    """Make class maps whose background is stronger almost everywhere, as in labels that fade."""
    y = random_values(3, 4, 5, seed=seed)
    y[0] += 1.2
    return y.softmax(0)


def _divided(maps: Tensor, balance: float) -> Tensor:
    return maps / maps.mean((1, 2), keepdim=True) ** balance


read_balanced = Exercise(
    "read_balanced",
    _read,
    lambda: [
        *[(_soft_maps(0), 0.2), (_soft_maps(1), 0.5), (_soft_maps(2), 0.9)],
        (torch.tensor([[[0.9, 0.7, 0.6], [0.8, 0.55, 0.5]], [[0.1, 0.3, 0.4], [0.2, 0.45, 0.5]]]).double(), 0.4),
    ],
    [
        (
            "Your function takes the plain argmax: first divide each map by its prior (its mean) to the power of balance",
            lambda y, b: _read(y, 0.0),
        ),
        ("The maps are multiplied by the prior, which favours the background even more: divide by it instead", lambda y, b: _read(y, -b)),
        ("The maps are divided by all of the prior: divide them by the prior to the power of balance", lambda y, b: _read(y, 1.0)),
        ("Each map is stretched to 0..1 (min-max): divide it by a power of its mean instead", lambda y, b: _read(y, b, "min_max")),
        (
            "The maps are divided by the prior times balance: divide them by the prior to the power of balance (**)",
            lambda y, b: (y / (y.mean((1, 2), keepdim=True) * b)).argmax(0),
        ),
        (
            "The prior is subtracted: divide each map by its prior to the power of balance",
            lambda y, b: (y - b * y.mean((1, 2), keepdim=True)).argmax(0),
            lambda y, b: (y - y.mean((1, 2), keepdim=True)).argmax(0),
            lambda y, b: (y - y.mean((1, 2), keepdim=True) ** b).argmax(0),
        ),
        ("Your function takes the weakest class: take the argmax", lambda y, b: _divided(y, b).argmin(0)),
        ("The exponent is 1 - balance: use balance itself", lambda y, b: _divided(y, 1 - b).argmax(0)),
        ("The power is applied to the maps: apply it to the prior only", lambda y, b: (y**b / y.mean((1, 2), keepdim=True)).argmax(0)),
        (
            "Each map is divided by its largest value: divide it by a power of its mean instead",
            lambda y, b: (y / y.amax((1, 2), keepdim=True) ** b).argmax(0),
            lambda y, b: (y / y.amax((1, 2), keepdim=True)).argmax(0),
        ),
        ("The background is left out: all classes compete, from 0 on", lambda y, b: _divided(y, b)[1:].argmax(0) + 1),
        ("The background is left out, and the classes are counted from 0 without it", lambda y, b: _divided(y, b)[1:].argmax(0)),
        ("Your function returns the divided maps: return the number of the largest class of each cell (argmax)", _divided),
        (
            "Your function returns the largest value of each cell: return the number of its class (argmax)",
            lambda y, b: _divided(y, b).amax(0),
        ),
    ],
    edges=lambda: [
        ("balance is 0 (the plain argmax)", (_soft_maps(3), 0.0)),
        ("balance is 1", (_soft_maps(4), 1.0)),
        ("there are as many classes as rows", (random_values(4, 4, 3, seed=5).softmax(0), 0.5)),
        ("a class is 0 in some cells", (torch.tensor([[[1.0, 0.6, 0.3]], [[0.0, 0.4, 0.7]]]).double(), 0.5)),
    ],
    steps=lambda y, b: {"the mean of each map": y.mean((1, 2)), "the divided maps": _divided(y, b)},
    kind="integer",
)
