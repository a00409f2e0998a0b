"""The exercises of notebooks/04_training.ipynb."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...recipe import checkpoint_steps as _checkpoint_steps
from ..exercise import Exercise
from .cases import distributions


def _truths(copied: Tensor, labels: Tensor) -> Tensor:
    return copied.gather(-1, labels[..., None]).squeeze(-1)


def _copied() -> list[tuple[Tensor, Tensor]]:
    return [
        (distributions(2, 5, 4), torch.arange(10).view(2, 5) % 4),
        (distributions(1, 7, 3, seed=1), torch.arange(7).view(1, 7) ** 2 % 3),
    ]


color_loss = Exercise(
    "color_loss",
    lambda copied, labels: -_truths(copied, labels).log().mean(),
    _copied,
    [
        (
            "a second softmax: the copied colours are a distribution already, and cross_entropy takes logits; with it even a perfect"
            " copier of 16 colours would score 1.9",
            lambda y, c: F.cross_entropy(y.flatten(0, 1), c.flatten()),
            lambda y, c: F.cross_entropy(y.flatten(0, 1), c.flatten(), reduction="sum"),
        ),
        ("the sign is wrong: a better copier should score less", lambda y, c: _truths(y, c).log().mean()),
        ("summed over pixels, not averaged: the loss would grow with the picture", lambda y, c: -_truths(y, c).log().sum()),
        ("the logarithm is missing: this is the mean probability of being wrong", lambda y, c: 1 - _truths(y, c).mean()),
        (
            "the logarithm is missing: this is the mean probability of the truth, or minus that",
            lambda y, c: -_truths(y, c).mean(),
            lambda y, c: _truths(y, c).mean(),
        ),
        ("the logarithm is of the mean: take the mean of the logarithms", lambda y, c: -_truths(y, c).mean().log()),
        ("the logarithm has base 2: nats have base e", lambda y, c: -_truths(y, c).log2().mean()),
        ("one loss for each pixel: return their mean, one number", lambda y, c: -_truths(y, c).log()),
    ],
)


def _spread_evenly(reference: Tensor, target: Tensor, k: int) -> Tensor:
    shares = torch.bincount(reference.flatten(), minlength=k) / reference.numel()
    return -shares[target.flatten()].log().mean()


even_pointer_loss = Exercise(
    "even_pointer_loss",
    _spread_evenly,
    lambda: [
        (torch.tensor([0, 0, 0, 1, 1, 2, 0, 3]), torch.tensor([0, 1, 0, 2, 0]), 4),
        (torch.tensor([[2, 1, 1], [0, 2, 2]]), torch.tensor([[2, 2], [1, 0]]), 3),
    ],
    [
        (
            "this is log K, the loss of guessing evenly among *classes*: a pointer spread evenly over *pixels* copies each colour in"
            " proportion to its share",
            lambda r, t, k: math.log(k),
        ),
        ("the shares are those of the target: the pointer copies from the reference", lambda r, t, k: _spread_evenly(t, t, k)),
        ("the entropy of the reference: score the pixels of the target", lambda r, t, k: _spread_evenly(r, r, k)),
        ("the logarithm has base 2: nats have base e", lambda r, t, k: _spread_evenly(r, t, k) / math.log(2)),
        ("the sign is wrong: a loss is at least 0", lambda r, t, k: -_spread_evenly(r, t, k)),
        ("reference and target have changed places", lambda r, t, k: _spread_evenly(t, r, k)),
    ],
)


def _powers_and_halves(last: int) -> list[int]:
    """1, 3, 10, 30 ... up to ``last``, which is among them only by luck."""
    return [0, *(d * 10**p for p in range(9) for d in (1, 3) if d * 10**p <= last)]


checkpoint_steps = Exercise(
    "checkpoint_steps",
    _checkpoint_steps,
    lambda: [(300,), (450,), (7,)],
    [
        (
            "step 0, the network before it learned anything, is missing: without it nothing can be said to have emerged",
            lambda n: _checkpoint_steps(n)[1:],
        ),
        (
            "the last step is missing: the network that you end with",
            lambda n: [s for s in _checkpoint_steps(n) if s < n],
            _powers_and_halves,
        ),
        (
            "only powers of ten: 3, 30 and 300 lie half way between them on a log scale",
            lambda n: [0, *(10**p for p in range(9) if 10**p < n), n],
        ),
        (
            "steps lie evenly: most of the learning is over before the second of them",
            lambda n: list(range(0, n + 1, max(1, n // 5))),
            lambda n: np.linspace(0, n, 6).astype(int),
        ),
        ("the last step stands there twice", lambda n: [*_checkpoint_steps(n), n], lambda n: [*_powers_and_halves(n), n]),
    ],
)
