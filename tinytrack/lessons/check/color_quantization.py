"""The exercises of notebooks/01_color_quantization.ipynb."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...color import Palette
from ..exercise import Exercise, Experiment
from .cases import random_values


def _distances(centers: Tensor, ab: Tensor) -> Tensor:
    """Subtract each centre from each colour: (..., K, 2, H, W)."""
    return ab.unsqueeze(-4) - centers[:, :, None, None]


def _colors() -> list[tuple[Tensor, Tensor]]:
    return [
        (30 * random_values(5, 2), 30 * random_values(2, 4, 3, seed=1)),
        (30 * random_values(7, 2, seed=2), 30 * random_values(3, 2, 4, 6, seed=3)),
        (_FEW, torch.tensor([[[16.0, -3.0, 10.0]], [[14.0, 26.0, -12.0]]]).double()),
    ]


_FEW = torch.tensor([[20.0, -4.0], [0.0, 30.0], [-10.0, -15.0], [4.0, 6.0]]).double()


nearest_color = Exercise(
    "nearest_color",
    lambda centers, ab: Palette(centers).hard(ab),
    _colors,
    [
        (
            "Your function picks the centre with the largest inner product, which favours centres far from the origin:"
            " pick the one with the smallest distance",
            lambda c, ab: torch.einsum("kc,...chw->...khw", c, ab).argmax(-3),
        ),
        (
            "Only the larger of the two differences counts in your distance: add the squares of both",
            lambda c, ab: _distances(c, ab).abs().amax(-3).argmin(-3),
        ),
        (
            "Your function picks the farthest centre: pick the one with the smallest distance (argmin)",
            lambda c, ab: _distances(c, ab).square().sum(-3).argmax(-3),
        ),
        (
            "The differences are added without a square, so -10 in a and +10 in b cancel: square each difference before you add them",
            lambda c, ab: _distances(c, ab).sum(-3).argmin(-3),
            lambda c, ab: (-_distances(c, ab)).sum(-3).argmin(-3),
            lambda c, ab: _distances(c, ab).sum(-3).abs().argmin(-3),
        ),
        (
            "The absolute differences are added: use the distance in the plane of a and b instead, the root of the sum of squares",
            lambda c, ab: _distances(c, ab).abs().sum(-3).argmin(-3),
        ),
        (
            "Your function compares only a: the distance needs the differences in both a and b",
            lambda c, ab: _distances(c, ab)[..., 0, :, :].square().argmin(-3),
        ),
        (
            "Your function compares only b: the distance needs the differences in both a and b",
            lambda c, ab: _distances(c, ab)[..., 1, :, :].square().argmin(-3),
        ),
        (
            "Your function returns distances: return the number of the nearest centre instead (argmin)",
            lambda c, ab: _distances(c, ab).square().sum(-3).amin(-3),
            lambda c, ab: _distances(c, ab).square().sum(-3).sqrt().amin(-3),
        ),
        (
            "Your function returns the distances to all centres: return the number of the nearest one (argmin over the centres)",
            lambda c, ab: _distances(c, ab).square().sum(-3),
            lambda c, ab: _distances(c, ab).square().sum(-3).sqrt(),
        ),
        (
            "Your function returns the colour of the nearest centre: return its number instead",
            lambda c, ab: c[Palette(c).hard(ab)],
            lambda c, ab: c[Palette(c).hard(ab)].movedim(-1, -3),
        ),
        (
            "Your function returns one-hot maps: return the number of the nearest centre, one for each pixel",
            lambda c, ab: F.one_hot(Palette(c).hard(ab), len(c)).movedim(-1, -3),
            lambda c, ab: F.one_hot(Palette(c).hard(ab), len(c)),
        ),
    ],
    edges=lambda: [
        ("there is only one centre", (_FEW[:1], random_values(2, 2, 2, seed=4))),
        ("there are two axes in front of (2, H, W)", (_FEW, 20 * random_values(2, 2, 2, 1, 3, seed=5))),
        ("as many pixels as centres lie in a row", (_FEW, 20 * random_values(2, 1, 4, seed=6))),
    ],
    steps=lambda c, ab: {"squared distances to each centre": _distances(c, ab).square().sum(-3)},
    kind="integer",
)


def _class_maps(ids: Tensor, k: int) -> Tensor:
    return F.one_hot(ids, k).movedim(-1, 0).double()


shrink_labels = Exercise(
    "shrink_labels",
    lambda ids, k, stride: F.avg_pool2d(_class_maps(ids, k), stride),
    lambda: [
        (torch.arange(24).view(4, 6) % 5, 5, 2),
        (torch.arange(54).view(6, 9) ** 2 % 7, 7, 3),
        (torch.tensor([[0, 1, 2, 2], [0, 0, 1, 2]]), 3, 2),
        (torch.arange(72).view(6, 12) ** 2 % 5 % 3, 3, 3),
    ],
    [
        (
            "The class numbers are averaged, but the mean of classes 1 and 3 is not class 2: make one-hot maps first, then average those",
            lambda ids, k, s: _class_maps(F.avg_pool2d(ids[None].double(), s)[0].round().long(), k),
            lambda ids, k, s: _class_maps(F.avg_pool2d(ids[None].double(), s)[0].long(), k),
        ),
        (
            "In your function one pixel of each square decides: take the mean over all pixels of the square",
            lambda ids, k, s: _class_maps(ids[::s, ::s], k),
            lambda ids, k, s: _class_maps(ids[s // 2 :: s, s // 2 :: s], k),
        ),
        (
            "With max pooling every class that occurs in a square gets 1: use average pooling, so that the shares sum to one",
            lambda ids, k, s: F.max_pool2d(_class_maps(ids, k), s),
        ),
        (
            "The maps are sums, not means: divide by the number of pixels in a cell, so that its shares sum to one",
            lambda ids, k, s: F.avg_pool2d(_class_maps(ids, k), s) * s * s,
        ),
        (
            "Your function gives each square to its most frequent class: keep the shares of all classes",
            lambda ids, k, s: F.one_hot(F.avg_pool2d(_class_maps(ids, k), s).argmax(0), k).movedim(-1, 0),
        ),
        (
            "Your function returns one class number for each square: return the shares of all classes, (K, H / stride, W / stride)",
            lambda ids, k, s: F.avg_pool2d(_class_maps(ids, k), s).argmax(0),
        ),
        (
            "Your maps still have the size of the picture: average over squares of stride x stride pixels",
            lambda ids, k, s: _class_maps(ids, k),
        ),
        (
            "Your maps are scaled down by interpolation, which sees only a few pixels of each square: average over all of them",
            lambda ids, k, s: F.interpolate(_class_maps(ids, k)[None], scale_factor=1 / s, mode="bilinear")[0],
            lambda ids, k, s: F.interpolate(_class_maps(ids, k)[None], scale_factor=1 / s, mode="bilinear", align_corners=True)[0],
        ),
    ],
    edges=lambda: [
        ("a class does not occur in the picture (its map should be 0)", (torch.tensor([[0, 2, 2, 0], [2, 2, 0, 0]]), 4, 2)),
        ("all pixels have the same class", (torch.ones(2, 4, dtype=torch.long), 3, 2)),
        ("the stride is 1", (torch.tensor([[0, 1, 2], [2, 1, 1]]), 3, 1)),
        ("one square covers the whole picture", (torch.tensor([[0, 1, 2], [2, 1, 1], [2, 2, 2]]), 3, 3)),
    ],
)


def nearest_city_block(centers: Tensor, ab: Tensor) -> Tensor:
    """Find the nearest centre, (K, 2) and (2, H, W) -> class numbers (H, W), with a bug."""
    distance = (ab - centers[:, :, None, None]).abs().sum(1)  # (K, H, W)
    return distance.argmin(0)


def nearest_product(centers: Tensor, ab: Tensor) -> Tensor:
    """Find the nearest centre, (K, 2) and (2, H, W) -> class numbers (H, W), with a bug."""
    similarity = torch.einsum("kc,chw->khw", centers, ab)  # (K, H, W)
    return similarity.argmax(0)


def nearest_reshape(centers: Tensor, ab: Tensor) -> Tensor:
    """Find the nearest centre, (K, 2) and (2, H, W) -> class numbers (H, W), with a bug."""
    pixels = ab.reshape(-1, 1, 2)  # one row for each pixel
    distance = (pixels - centers).square().sum(-1)  # (H * W, K)
    return distance.argmin(1).view(ab.shape[1:])


BUGGY = (nearest_city_block, nearest_product, nearest_reshape)  # the subjects of the experiment "test_input"


def _judge_test_input(result: tuple[Tensor, Tensor]) -> str:
    """Say which of the buggy functions a test input does not reveal."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        return f"Your function returns a {type(result).__name__}: return two tensors, the centres (K, 2) and the colours (2, H, W)"
    centers, ab = (torch.as_tensor(part, dtype=torch.float64) for part in result)
    shapes = f"Your centres have shape {tuple(centers.shape)} and your colours {tuple(ab.shape)}"
    if centers.dim() != 2 or centers.shape[1] != 2 or ab.dim() != 3 or ab.shape[0] != 2 or not centers.numel() or not ab.numel():
        return f"{shapes}: expected (K, 2) and (2, H, W)"
    if len(centers) > 2 or ab[0].numel() > 2:
        return f"{shapes}: use at most two centres and two pixels, because a small test is easy to understand"
    if not (centers.isfinite().all() and ab.isfinite().all()):
        return "Your input has a number that is infinite or NaN: use finite numbers only"
    distance = _distances(centers, ab).square().sum(-3)
    if len(centers) == 2 and (tied := (distance[0] - distance[1]).abs() < 1e-6).any():
        return f"Pixel {tied.nonzero()[0].tolist()} is equally far from both centres: move it, so that only one answer is right"
    right = Palette(centers).hard(ab)
    missed = [bug.__name__ for bug in BUGGY if torch.equal(bug(centers, ab), right)]
    if missed:
        return f"Your input does not reveal {' and '.join(missed)}: despite the bug, the result {right.tolist()} is right"
    return ""


test_input = Experiment(
    "test_input",
    lambda: (torch.tensor([[17.0, 2.0], [21.0, -5.0]]), torch.tensor([[[10.0, -20.0]], [[-5.0, 0.0]]])),
    lambda: [()],
    _judge_test_input,
)
