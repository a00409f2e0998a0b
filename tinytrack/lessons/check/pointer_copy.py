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
        (
            "The columns sum to one instead of the rows, because you take the softmax over the wrong axis:"
            " use the last one, the references",
            lambda j, i, t: (_products(j, i) / t).softmax(1),
        ),
        (
            "The softmax runs over the clips of the batch (axis 0):"
            " take it over the last axis, the references, so that each row sums to one",
            lambda j, i, t: (_products(j, i) / t).softmax(0),
        ),
        (
            "In your result everything together sums to one: each target pixel (row) needs a softmax of its own",
            lambda j, i, t: _whole(_products(j, i) / t),
        ),
        (
            "The result is (B, N, M), references by targets: transpose it, so that row j is a target pixel",
            lambda j, i, t: (_products(j, i) / t).softmax(-1).mT,
        ),
        ("The temperature multiplies the logits: divide the logits by it instead", lambda j, i, t: (_products(j, i) * t).softmax(-1)),
        ("The logits are divided by the temperature twice: divide them only once", lambda j, i, t: (_products(j, i) / t**2).softmax(-1)),
        ("The temperature is not used: divide the logits by it before the softmax", lambda j, i, t: _products(j, i).softmax(-1)),
        (
            "The softmax is missing, so your function returns the logits: take a softmax over the last axis, so that each row sums to one",
            lambda j, i, t: _products(j, i) / t,
        ),
        (
            "Your function returns exp without the division by its sum: divide each row by its sum, so that the row sums to one",
            lambda j, i, t: (_products(j, i) / t).exp(),
        ),
        (
            "Your function returns the logarithm of the answer: use softmax instead of log_softmax",
            lambda j, i, t: (_products(j, i) / t).log_softmax(-1),
        ),
        (
            "The embeddings are normalised first: Eq. 2 takes the inner product of the embeddings as they are",
            lambda j, i, t: (_products(F.normalize(j, dim=-1), F.normalize(i, dim=-1)) / t).softmax(-1),
        ),
    ],
)


def _whole(logits: Tensor) -> Tensor:
    """Take one softmax over all rows and columns of a clip."""
    return logits.flatten(1).softmax(-1).view_as(logits)


def _by_hand(A: Tensor, c: Tensor) -> Tensor:
    """Copy with loops that swap the last two indices of A, which raises an IndexError if A is not square."""
    y = torch.zeros(len(A), A.shape[1], c.shape[-1], dtype=c.dtype)
    for j in range(A.shape[1]):
        for i in range(A.shape[2]):
            y[:, j] += A[:, i, j, None] * c[:, i]
    return y


def _strongest(A: Tensor, c: Tensor) -> Tensor:
    """Copy only the labels of the reference with the largest weight."""
    return c.gather(1, A.argmax(-1)[..., None].expand(-1, -1, c.shape[-1]))


copy = Exercise(
    "copy",
    lambda A, c: torch.einsum("bmn,bnk->bmk", A, c),
    lambda: [(distributions(2, 5, 3), random_values(2, 3, 4, seed=1)), (distributions(1, 3, 3, seed=2), random_values(1, 3, 2, seed=3))],
    [
        ("A is used transposed: row j holds the weights of target j, so compute y = A @ c", lambda A, c: A.mT @ c, _by_hand),
        ("Your function copies only the strongest reference: Eq. 1 is a weighted sum over all references", _strongest),
        ("The labels go through a softmax before they are copied: copy them as they are", lambda A, c: A @ c.softmax(-1)),
        (
            "The copied labels go through a second softmax: return them as they are, because they are already a mixture",
            lambda A, c: (A @ c).softmax(-1),
        ),
        (
            "The sum is divided by the number of references: leave the division out, because the weights already sum to one",
            lambda A, c: A @ c / A.shape[-1],
        ),
    ],
)


def _grid_distances(h: int, w: int) -> tuple[Tensor, Tensor]:
    """Compute the distances in rows and in columns between all pairs of pixels."""
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
        ("The edge of the square is left out: allow a distance of exactly the radius too (<=)", lambda h, w, r: _window(h, w, r - 1)),
        ("The rows and columns are swapped: the pixel number is row * w + column", lambda h, w, r: _window(w, h, r)),
        ("Your window is a disk: it should be a square, in which rows and columns each differ by at most the radius", _disk),
        ("Your window is a diamond: it should be a square, in which rows and columns each differ by at most the radius", _diamond),
        (
            "The pixel numbers are compared, but the end of one row and the start of the next are not neighbours in the picture:"
            " compare rows and columns",
            lambda h, w, r: (torch.arange(h * w)[:, None] - torch.arange(h * w)).abs() <= r,
        ),
        ("True and False are swapped: True marks the pixels at which a target may point", lambda h, w, r: ~_window(h, w, r)),
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
            "The other logits are set to 0, which is a perfectly good similarity: set them to -inf",
            lambda x, k: _kept(x, k, 0.0),
            lambda x, k: torch.where(x >= x.topk(k).values[..., -1:], x, 0.0),
        ),
        ("The k smallest are kept: call topk with largest=True", lambda x, k: _kept(x, k, -math.inf, largest=False)),
        (
            "The k best are chosen among the targets: choose k references for each target (along the last axis)",
            lambda x, k: _kept(x, k, -math.inf, dim=-2),
        ),
        (
            "More than k logits are kept when there is a tie for the k-th place: keep exactly k, by the indices that topk returns",
            lambda x, k: x.masked_fill(x < x.topk(k).values[..., -1:], -math.inf),
        ),
        ("Your function already takes the softmax: return the logits", lambda x, k: _keep_top_k(x, k).softmax(-1)),
        (
            "Your function returns only the k kept logits: keep the shape of the input, which shows the pixel that each logit belongs to",
            lambda x, k: x.topk(k).values,
        ),
    ],
    seen=lambda kept: (
        np.sort(kept) if kept.shape[-1] == 5 and kept.shape[0] == 1 else kept
    ),  # in the case with a tie any of the equal logits may be kept
)
