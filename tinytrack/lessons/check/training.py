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
    """Select the probability of each pixel's true class: (B, M)."""
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
            "Your function applies a second softmax (cross_entropy expects logits), so even a perfect copier of 16 colours scores 1.9:"
            " the copied colours are already a distribution, so take their logarithm directly",
            lambda y, c: F.cross_entropy(y.flatten(0, 1), c.flatten()),
            lambda y, c: F.cross_entropy(y.flatten(0, 1), c.flatten(), reduction="sum"),
        ),
        (
            "The sign is wrong: a better copier should have a lower loss, so take the negative logarithm",
            lambda y, c: _truths(y, c).log().mean(),
        ),
        ("The loss is summed over pixels, so it would grow with the picture: average it instead", lambda y, c: -_truths(y, c).log().sum()),
        (
            "The logarithm is missing, so this is the mean probability of being wrong: average -log of the true class's probability",
            lambda y, c: 1 - _truths(y, c).mean(),
        ),
        (
            "The logarithm is missing, so this is the mean probability of the truth, or its negative: average -log of that probability",
            lambda y, c: -_truths(y, c).mean(),
            lambda y, c: _truths(y, c).mean(),
        ),
        (
            "Your function takes the logarithm of the mean: take the mean of the logarithms instead",
            lambda y, c: -_truths(y, c).mean().log(),
        ),
        (
            "The logarithm has base 2: use the natural logarithm (base e), because the loss is in nats",
            lambda y, c: -_truths(y, c).log2().mean(),
        ),
        ("Your function returns one loss for each pixel: return their mean, which is one number", lambda y, c: -_truths(y, c).log()),
    ],
)


def _spread_evenly(reference: Tensor, target: Tensor, k: int) -> Tensor:
    """Compute Eq. 3 for a pointer that spreads evenly over all reference pixels."""
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
            "Your result is log K, the loss of guessing evenly among the classes:"
            " a pointer that spreads evenly over the pixels copies each colour in proportion to its share, so use the shares",
            lambda r, t, k: math.log(k),
        ),
        (
            "The shares are those of the target: use the shares of the reference, because the pointer copies from it",
            lambda r, t, k: _spread_evenly(t, t, k),
        ),
        ("Your result is the entropy of the reference: score the pixels of the target instead", lambda r, t, k: _spread_evenly(r, r, k)),
        (
            "The logarithm has base 2: use the natural logarithm (base e), because the loss is in nats",
            lambda r, t, k: _spread_evenly(r, t, k) / math.log(2),
        ),
        ("The sign is wrong: a loss is at least 0, so take the negative logarithm", lambda r, t, k: -_spread_evenly(r, t, k)),
        (
            "The reference and the target have changed places: count the shares in the reference, and score the pixels of the target",
            lambda r, t, k: _spread_evenly(t, r, k),
        ),
    ],
)


def _powers_and_halves(last: int) -> list[int]:
    """List 0, 1, 3, 10, 30 ... up to ``last``, which is in the list only if it happens to be one of these numbers."""
    return [0, *(d * 10**p for p in range(9) for d in (1, 3) if d * 10**p <= last)]


checkpoint_steps = Exercise(
    "checkpoint_steps",
    _checkpoint_steps,
    lambda: [(300,), (450,), (7,)],
    [
        (
            "Your list lacks step 0, the network before it has learned anything:"
            " without it you cannot tell what has emerged, so include it",
            lambda n: _checkpoint_steps(n)[1:],
        ),
        (
            "The last step is missing: include it, because it gives you the network that you end with",
            lambda n: [s for s in _checkpoint_steps(n) if s < n],
            _powers_and_halves,
        ),
        (
            "Your list has only powers of ten: add 3, 30, 300 and so on, which lie about half way between them on a log scale",
            lambda n: [0, *(10**p for p in range(9) if 10**p < n), n],
        ),
        (
            "The steps are evenly spaced, so most of the learning is over before the second of them: space them evenly on a log scale",
            lambda n: list(range(0, n + 1, max(1, n // 5))),
            lambda n: np.linspace(0, n, 6).astype(int),
        ),
        (
            "The last step is in the list twice: add it only if it is not there yet",
            lambda n: [*_checkpoint_steps(n), n],
            lambda n: [*_powers_and_halves(n), n],
        ),
    ],
)
