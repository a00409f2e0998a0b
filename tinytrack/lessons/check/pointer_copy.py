"""The exercises of notebooks/03_pointer_copy.ipynb."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...pointer import keep_top_k as _keep_top_k
from ...pointer import window as _window
from ..exercise import Exercise
from .cases import distributions, random_values


def _points() -> list[tuple[Tensor, Tensor, float]]:
    return [
        (random_values(2, 3, 4), random_values(2, 5, 4, seed=1), 1.0),
        (random_values(1, 6, 2, seed=2), random_values(1, 4, 2, seed=3), 0.5),
    ]


def _products(f_j: Tensor, f_i: Tensor) -> Tensor:
    return torch.einsum("bmd,bnd->bmn", f_j, f_i)


affinity = Exercise(
    "affinity",
    lambda f_j, f_i, temperature: (_products(f_j, f_i) / temperature).softmax(-1),
    _points,
    [
        ("columns sum to one, rows do not: softmax over the wrong axis", lambda j, i, t: (_products(j, i) / t).softmax(1)),
        (
            "the softmax runs over the clips of the batch (axis 0): each row needs one, over the references (the last axis)",
            lambda j, i, t: (_products(j, i) / t).softmax(0),
        ),
        (
            "everything together sums to one: each target pixel (row) needs a softmax of its own",
            lambda j, i, t: _whole(_products(j, i) / t),
        ),
        (
            "the result is (B, N, M), references by targets: row j should be a target pixel",
            lambda j, i, t: (_products(j, i) / t).softmax(-1).mT,
        ),
        ("the temperature multiplies the logits: it should divide them", lambda j, i, t: (_products(j, i) * t).softmax(-1)),
        ("the temperature divides twice", lambda j, i, t: (_products(j, i) / t**2).softmax(-1)),
        ("the temperature is not used", lambda j, i, t: _products(j, i).softmax(-1)),
        ("rows do not sum to one: these are the logits, the softmax is missing", lambda j, i, t: _products(j, i) / t),
        ("rows do not sum to one: exp without the division by its sum", lambda j, i, t: (_products(j, i) / t).exp()),
        ("this is the logarithm of the answer: log_softmax instead of softmax", lambda j, i, t: (_products(j, i) / t).log_softmax(-1)),
        (
            "the embeddings are normalised first: Eq. 2 takes the inner product as it is",
            lambda j, i, t: (_products(F.normalize(j, dim=-1), F.normalize(i, dim=-1)) / t).softmax(-1),
        ),
    ],
)


def _whole(logits: Tensor) -> Tensor:
    return logits.flatten(1).softmax(-1).view_as(logits)


def _by_hand(A: Tensor, c: Tensor) -> Tensor:
    """Loops with A's last two indices exchanged: on a matrix that is not square, one of them runs out of it."""
    y = torch.zeros(len(A), A.shape[1], c.shape[-1], dtype=c.dtype)
    for j in range(A.shape[1]):
        for i in range(A.shape[2]):
            y[:, j] += A[:, i, j, None] * c[:, i]
    return y


def _strongest(A: Tensor, c: Tensor) -> Tensor:
    return c.gather(1, A.argmax(-1)[..., None].expand(-1, -1, c.shape[-1]))


copy = Exercise(
    "copy",
    lambda A, c: torch.einsum("bmn,bnk->bmk", A, c),
    lambda: [(distributions(2, 5, 3), random_values(2, 3, 4, seed=1)), (distributions(1, 3, 3, seed=2), random_values(1, 3, 2, seed=3))],
    [
        ("A is used transposed: row j holds target j's weights, so y = A @ c", lambda A, c: A.mT @ c, _by_hand),
        ("only the strongest reference is copied: Eq. 1 is a weighted sum over all", _strongest),
        ("the labels go through a softmax: copy them as they are", lambda A, c: A @ c.softmax(-1)),
        ("the copied labels go through a second softmax: they are a mixture already", lambda A, c: (A @ c).softmax(-1)),
        ("the sum is divided by the number of references: the weights sum to one already", lambda A, c: A @ c / A.shape[-1]),
    ],
)


def _grid_distances(h: int, w: int) -> tuple[Tensor, Tensor]:
    y, x = torch.arange(h).repeat_interleave(w), torch.arange(w).repeat(h)
    return (y[:, None] - y).abs(), (x[:, None] - x).abs()


def _disk(h: int, w: int, r: int) -> Tensor:
    dy, dx = _grid_distances(h, w)
    return dy**2 + dx**2 <= r**2


def _diamond(h: int, w: int, r: int) -> Tensor:
    dy, dx = _grid_distances(h, w)
    return dy + dx <= r


window = Exercise(
    "window",
    _window,
    lambda: [(4, 6, 3), (5, 3, 1)],
    [
        ("the edge of the square is left out: a distance of exactly the radius is allowed (<=)", lambda h, w, r: _window(h, w, r - 1)),
        ("rows and columns are swapped: pixel number = row * w + column", lambda h, w, r: _window(w, h, r)),
        ("this is a disk: the window is a square, each of the two distances at most the radius", _disk),
        ("this is a diamond: the window is a square, each of the two distances at most the radius", _diamond),
        (
            "pixel numbers are compared: the end of one row and the start of the next are neighbours in number, not in the picture",
            lambda h, w, r: (torch.arange(h * w)[:, None] - torch.arange(h * w)).abs() <= r,
        ),
        ("True and False are swapped: True is where a pixel may point", lambda h, w, r: ~_window(h, w, r)),
    ],
)


def _kept(logits: Tensor, k: int, rest: float, dim: int = -1, largest: bool = True) -> Tensor:
    value, index = logits.topk(k, dim=dim, largest=largest)
    return torch.full_like(logits, rest).scatter(dim, index, value)


keep_top_k = Exercise(
    "keep_top_k",
    _keep_top_k,
    lambda: [(random_values(2, 5, 7), 3), (random_values(1, 4, 6, seed=1), 2), (torch.tensor([[[1.0, 3.0, 3.0, 3.0, 0.0]] * 4]), 2)],
    [
        (
            "the others are set to 0, which is a perfectly good similarity: set them to -inf",
            lambda x, k: _kept(x, k, 0.0),
            lambda x, k: torch.where(x >= x.topk(k).values[..., -1:], x, 0.0),
        ),
        ("the smallest are kept: topk needs largest=True", lambda x, k: _kept(x, k, -math.inf, largest=False)),
        (
            "the best are chosen among the targets: k references for each target (the last axis)",
            lambda x, k: _kept(x, k, -math.inf, dim=-2),
        ),
        (
            "with a tie more than k are kept: all that equal the k-th largest",
            lambda x, k: x.masked_fill(x < x.topk(k).values[..., -1:], -math.inf),
        ),
        ("a softmax is taken already: return logits", lambda x, k: _keep_top_k(x, k).softmax(-1)),
        ("only the k kept logits are returned: keep the shape, or nobody knows which pixels they belong to", lambda x, k: x.topk(k).values),
    ],
    seen=lambda kept: np.sort(kept) if kept.shape[-1] == 5 and kept.shape[0] == 1 else kept,  # the tie: of equals any may be kept
)
