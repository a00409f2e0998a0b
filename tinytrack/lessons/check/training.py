"""The exercises of notebooks/04_training.ipynb."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...evaluation.metrics import region_j
from ...pointer import affinity, copy, pixels
from ..exercise import Exercise, Experiment
from .cases import distributions


def _truths(copied: Tensor, labels: Tensor) -> Tensor:
    """Select the probability of each pixel's true class: (B, M)."""
    return copied.gather(-1, labels[..., None]).squeeze(-1)


def _copied() -> list[tuple[Tensor, Tensor]]:
    return [
        (distributions(2, 5, 4), torch.arange(10).view(2, 5) % 4),
        (distributions(1, 7, 3, seed=1), torch.arange(7).view(1, 7) ** 2 % 3),
        (torch.tensor([[[0.7, 0.2, 0.1], [0.3, 0.2, 0.5]]]).double(), torch.tensor([[0, 1]])),
    ]


def _per_clip(copied: Tensor, labels: Tensor) -> Tensor:
    return -_truths(copied, labels).log().sum() / len(copied)


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
        (
            "The logarithm has base 10: use the natural logarithm (base e), because the loss is in nats",
            lambda y, c: -_truths(y, c).log10().mean(),
        ),
        (
            "Your function averages over classes as well as pixels, so the loss is K times too small: average over pixels only",
            lambda y, c: -_truths(y, c).log().mean() / y.shape[-1],
        ),
        (
            "Your loss ignores the labels and takes the entropy of the copied colours: use the probability of each pixel's true class",
            lambda y, c: -(y * y.log()).sum(-1).mean(),
        ),
        (
            "Your loss ignores the labels and takes the likeliest class: use the probability of each pixel's true class",
            lambda y, c: -y.amax(-1).log().mean(),
        ),
        (
            "Your loss takes the logarithms of all classes: use only the probability of each pixel's true class",
            lambda y, c: -y.log().mean(),
            lambda y, c: -y.log().sum(-1).mean(),
        ),
        (
            "Your loss is binary cross-entropy, which also scores the wrong classes: average -log of the true class's probability",
            lambda y, c: F.binary_cross_entropy(y, F.one_hot(c, y.shape[-1]).to(y)),
            lambda y, c: F.binary_cross_entropy(y, F.one_hot(c, y.shape[-1]).to(y), reduction="none").sum(-1).mean(),
        ),
        (
            "Your loss is the squared error of the one-hot labels: average -log of the true class's probability instead",
            lambda y, c: F.mse_loss(y, F.one_hot(c, y.shape[-1]).to(y)),
            lambda y, c: (y - F.one_hot(c, y.shape[-1])).square().sum(-1).mean(),
        ),
        (
            "Your function returns the share of pixels whose likeliest class is wrong: average -log of the true class's probability",
            lambda y, c: (y.argmax(-1) != c).double().mean(),
        ),
        (
            "The losses are weighted by the probabilities: take the plain mean of -log",
            lambda y, c: -(_truths(y, c) * _truths(y, c).log()).mean(),
        ),
        ("Your function takes the median over pixels: take the mean", lambda y, c: -_truths(y, c).log().median()),
        ("The sum over the pixels is divided by the number of clips only: average over all pixels", _per_clip),
    ],
    edges=lambda: [
        (
            "a wrong class has the probability 0 (0 * log 0 is NaN)",
            (torch.tensor([[[0.0, 1.0], [0.5, 0.5]]]).double(), torch.tensor([[1, 0]])),
        ),
        ("there is only one pixel", (torch.tensor([[[0.25, 0.75]]]).double(), torch.tensor([[0]]))),
        ("all pixels have the same class", (distributions(2, 3, 4, seed=2), torch.full((2, 3), 2))),
    ],
    steps=lambda y, c: {"the probability of each pixel's true class": _truths(y, c)},
)


def _shares(reference: Tensor, k: int) -> Tensor:
    """Compute the share of the reference pixels that each class has."""
    return torch.bincount(reference.flatten(), minlength=k).double() / reference.numel()


def _spread_evenly(reference: Tensor, target: Tensor, k: int) -> Tensor:
    """Compute Eq. 3 for a pointer that spreads evenly over all reference pixels."""
    return -_shares(reference, k)[target.flatten()].log().mean()


even_pointer_loss = Exercise(
    "even_pointer_loss",
    _spread_evenly,
    lambda: [
        (torch.tensor([0, 0, 0, 1, 1, 2, 0, 3]), torch.tensor([0, 1, 0, 2, 0]), 4),
        (torch.tensor([[2, 1, 1], [0, 2, 2]]), torch.tensor([[2, 2], [1, 0]]), 3),
        (torch.tensor([0, 0, 1, 0]), torch.tensor([0, 1]), 2),
        (torch.tensor([[1, 1, 1, 1, 0]]), torch.tensor([[1, 0, 0]]), 2),
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
        (
            "The losses are summed, so the result grows with the number of target pixels: average them",
            lambda r, t, k: t.numel() * _spread_evenly(r, t, k),
        ),
        (
            "Your function returns one loss for each target pixel: return their mean, which is one number",
            lambda r, t, k: -_shares(r, k)[t].log(),
        ),
        (
            "Your function averages over classes: average over the target pixels, so that frequent classes count more",
            lambda r, t, k: -_shares(r, k).log().mean(),
            lambda r, t, k: -_shares(r, k)[t.unique()].log().mean(),
        ),
        (
            "Your function takes the logarithm of the mean: take the mean of the logarithms instead",
            lambda r, t, k: -_shares(r, k)[t].mean().log(),
        ),
        (
            "The logarithm is missing: average -log of the share of each target pixel's class",
            lambda r, t, k: 1 - _shares(r, k)[t].mean(),
            lambda r, t, k: _shares(r, k)[t].mean(),
            lambda r, t, k: -_shares(r, k)[t].mean(),
        ),
        (
            "The counts are not divided by the number of reference pixels: turn them into shares first",
            lambda r, t, k: -(_shares(r, k) * r.numel())[t].log().mean(),
        ),
        (
            "Your result is the log of the number of pixels, as if the right pixel had to be hit: any pixel of the right class will do",
            lambda r, t, k: math.log(r.numel()),
        ),
        (
            "The logarithm has base 10: use the natural logarithm (base e), because the loss is in nats",
            lambda r, t, k: -_shares(r, k)[t].log10().mean(),
        ),
        (
            "The shares go through a softmax: they sum to one already, so use them as they are",
            lambda r, t, k: -_shares(r, k).softmax(0)[t].log().mean(),
        ),
        (
            "The counts are smoothed (+ 1): use the plain shares, because every class of the target occurs in the reference",
            lambda r, t, k: -((_shares(r, k) * r.numel() + 1) / (r.numel() + k))[t].log().mean(),
        ),
        (
            "The shares are those of reference and target together: use the reference alone, because the pointer copies from it",
            lambda r, t, k: -_shares(torch.cat([r.flatten(), t.flatten()]), k)[t].log().mean(),
        ),
    ],
    edges=lambda: [
        ("a class occurs in neither frame (0 * log 0 is NaN)", (torch.tensor([0, 2, 2, 0]), torch.tensor([2, 2, 0]), 4)),
        ("a class of the reference does not occur in the target", (torch.tensor([0, 1, 2, 2]), torch.tensor([2, 0]), 3)),
        ("all pixels have the same class (the loss is 0)", (torch.tensor([1, 1, 1]), torch.tensor([1, 1]), 2)),
        ("the target has one pixel", (torch.tensor([[0, 1], [1, 1]]), torch.tensor([[0]]), 2)),
    ],
    steps=lambda r, t, k: {"the share of each class in the reference": _shares(r, k)},
)


def _rare_in_the_reference(k: int) -> tuple[Tensor, Tensor]:
    """Make the target of one colour that only one of ten reference pixels per class has."""
    return torch.tensor([0] * (10 * k - k + 1) + list(range(1, k))), torch.tensor([k - 1] * 5)


def _judge_labels(result, k: int) -> str:
    if not isinstance(result, tuple | list) or len(result) != 2:
        return f"Your function returns a {type(result).__name__}: expected two lists or tensors, the reference labels and the target labels"
    reference, target = (torch.as_tensor(part).flatten() for part in result)
    for name, part in (("reference", reference), ("target", target)):
        if part.numel() == 0:
            return f"Your {name} has no pixels: expected at least one"
        if part.is_floating_point() or part.dtype == torch.bool or int(part.min()) < 0 or int(part.max()) >= k:
            return f"Your {name} labels are not all classes: expected integers from 0 to {k - 1} for K = {k}"
    missing = sorted(set(target.tolist()) - set(reference.tolist()))
    if missing:
        return f"Class {missing[0]} of your target is not in your reference, so the loss is infinite: expected every target class there"
    loss = float(_spread_evenly(reference.long(), target.long(), k))
    if loss <= math.log(k) + 1e-6:
        return f"Attending evenly costs {loss:.2f} nats on your labels, and log {k} = {math.log(k):.2f}: expected a loss above log K"
    return ""


labels = Experiment("labels", _rare_in_the_reference, lambda: [(2,), (4,), (16,)], _judge_labels)


TEMPERATURE = 0.02  # of the pointer in the experiment, as in the worked example of the notebooks


def _two_alike() -> list[tuple[Tensor]]:
    """Object ids of a reference frame and a target frame (2, h, w): two objects of one colour move on a background of another."""
    square = torch.zeros(2, 4, 4, dtype=torch.long)
    square[0, 0, :2], square[0, 3, 2:] = 1, 2
    square[1, 1, :2], square[1, 2, 2:] = 1, 2
    wide = torch.zeros(2, 3, 6, dtype=torch.long)
    wide[0, :2, 0], wide[0, :2, 5] = 1, 2
    wide[1, 1:, 1], wide[1, 1:, 4] = 1, 2
    return [(square,), (wide,)]


def _swapped(masks: Tensor) -> Tensor:
    """Give each object of the target frame the embedding that the other one has in the reference frame."""
    other = torch.tensor([0, 2, 1])[masks[1]]
    return F.one_hot(torch.stack([masks[0], other]), 3).movedim(-1, 1).double()


def _color_loss_and_j(f: Tensor, masks: Tensor) -> tuple[float, float]:
    """Copy colours and masks with one pointer: the loss of Eq. 3 in nats, and J as the mean over the two objects."""
    A = affinity(pixels(f[1:]), pixels(f[:1]), TEMPERATURE)
    ids, colors = masks.flatten(1), (masks > 0).long().flatten(1)
    y = copy(A, F.one_hot(colors[:1], 2).double())
    loss = -_truths(y, colors[1:]).clamp(min=1e-4).log().mean()
    found = copy(A, F.one_hot(ids[:1], 3).double())[0].argmax(-1).view_as(masks[1])
    j = np.mean([region_j((found == n).numpy(), (masks[1] == n).numpy()) for n in (1, 2)])
    return float(loss), float(j)


def _judge_embeddings(result, masks: Tensor) -> str:
    f, expected = torch.as_tensor(result).detach().double(), tuple(masks.shape)
    if f.dim() != 4 or (f.shape[0], *f.shape[2:]) != expected:
        shape = f"({expected[0]}, D, {expected[1]}, {expected[2]})"
        return f"Your embeddings have shape {tuple(f.shape)}: expected {shape} for masks of shape {expected}"
    if not torch.isfinite(f).all():
        return "Your embeddings contain infinity or NaN: expected finite numbers"
    loss, j = _color_loss_and_j(f, masks)
    if loss > 0.1:
        return f"The colour loss is {loss:.2f} nats and J is {j:.2f}: expected a colour loss below 0.1, so the colours must be right"
    if j > 0.1:
        return f"The colour loss is {loss:.2f} nats and J is {j:.2f}: expected a J below 0.1, so the masks must go to the wrong object"
    return ""


embeddings = Experiment("embeddings", _swapped, _two_alike, _judge_embeddings)
