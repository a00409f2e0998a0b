"""The exercises of notebooks/01_color_quantization.ipynb."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...color import Palette
from ..exercise import Exercise
from .cases import distributions, random_values


def _distances(centers: Tensor, ab: Tensor) -> Tensor:
    return ab.unsqueeze(-4) - centers[:, :, None, None]  # (..., K, 2, H, W)


def _colors() -> list[tuple[Tensor, Tensor]]:
    return [
        (30 * random_values(5, 2), 30 * random_values(2, 4, 3, seed=1)),
        (30 * random_values(7, 2, seed=2), 30 * random_values(3, 2, 4, 6, seed=3)),
    ]


nearest_color = Exercise(
    "nearest_color",
    lambda centers, ab: Palette(centers).hard(ab),
    _colors,
    [
        ("this is the farthest centre: take the smallest distance", lambda c, ab: _distances(c, ab).square().sum(-3).argmax(-3)),
        (
            "differences are added without a square: -10 in a and +10 in b cancel",
            lambda c, ab: _distances(c, ab).sum(-3).argmin(-3),
            lambda c, ab: (-_distances(c, ab)).sum(-3).argmin(-3),
            lambda c, ab: _distances(c, ab).sum(-3).abs().argmin(-3),
        ),
        (
            "absolute differences are added: the distance in the plane of a and b is the root of the sum of squares",
            lambda c, ab: _distances(c, ab).abs().sum(-3).argmin(-3),
        ),
        ("only a is compared, b is not", lambda c, ab: _distances(c, ab)[..., 0, :, :].square().argmin(-3)),
        ("only b is compared, a is not", lambda c, ab: _distances(c, ab)[..., 1, :, :].square().argmin(-3)),
        (
            "these are distances: return which centre is nearest (argmin)",
            lambda c, ab: _distances(c, ab).square().sum(-3).amin(-3),
            lambda c, ab: _distances(c, ab).square().sum(-3).sqrt().amin(-3),
        ),
    ],
)
one_hot = Exercise(
    "one_hot",
    lambda ids, k: F.one_hot(ids, k).movedim(-1, -3),
    lambda: [(torch.tensor([[0, 2, 1], [3, 3, 0]]), 5), (torch.tensor([[[1, 0]], [[2, 2]], [[0, 1]]]), 4)],
    [
        ("the classes are the last axis: expected (..., K, H, W), classes before rows and columns", F.one_hot),
        (
            "class 0 has no channel of its own: classes count from 0, and each has one",
            lambda ids, k: F.one_hot(ids, k + 1).movedim(-1, -3)[..., 1:, :, :],
            lambda ids, k: F.one_hot(ids, k).movedim(-1, -3)[..., 1:, :, :],
        ),
        (
            "the number of classes is taken from the picture: a class that is absent needs its (empty) channel too",
            lambda ids, k: F.one_hot(ids).movedim(-1, -3),
        ),
    ],
)


def _labels() -> list[tuple[Tensor, Tensor]]:
    return [
        (30 * random_values(5, 2), distributions(4, 3, 5).movedim(-1, 0)),
        (30 * random_values(7, 2, seed=2), distributions(2, 4, 6, 7, seed=3).movedim(-1, 1)),
    ]


decode = Exercise(
    "decode",
    lambda centers, y: Palette(centers).decode(y),
    _labels,
    [
        ("only the likeliest class counts: the expected colour weighs all centres", lambda c, y: c[y.argmax(-3)].movedim(-1, -3)),
        ("the weights are not used: this is the plain mean of the centres", lambda c, y: _everywhere(c.mean(0), y)),
        (
            "the weighted colours are averaged, not summed: the weights sum to one already",
            lambda c, y: Palette(c).decode(y) / len(c),
        ),
        ("colours are the last axis: expected (..., 2, H, W)", lambda c, y: Palette(c).decode(y).movedim(-3, -1)),
    ],
)


def _everywhere(color: Tensor, y: Tensor) -> Tensor:
    return color[:, None, None].expand(*y.shape[:-3], 2, *y.shape[-2:])


def _class_maps(ids: Tensor, k: int) -> Tensor:
    return F.one_hot(ids, k).movedim(-1, 0).double()


shrink_labels = Exercise(
    "shrink_labels",
    lambda ids, k, stride: F.avg_pool2d(_class_maps(ids, k), stride),
    lambda: [(torch.arange(24).view(4, 6) % 5, 5, 2), (torch.arange(54).view(6, 9) ** 2 % 7, 7, 3)],
    [
        (
            "class numbers are averaged: between class 1 and class 3 there is no class 2; make one-hot maps first",
            lambda ids, k, s: _class_maps(F.avg_pool2d(ids[None].double(), s)[0].round().long(), k),
            lambda ids, k, s: _class_maps(F.avg_pool2d(ids[None].double(), s)[0].long(), k),
        ),
        (
            "one pixel of each square decides: take the mean over all of them",
            lambda ids, k, s: _class_maps(ids[::s, ::s], k),
            lambda ids, k, s: _class_maps(ids[s // 2 :: s, s // 2 :: s], k),
        ),
        (
            "every class that occurs in a square gets 1: max pooling; the shares should sum to one",
            lambda ids, k, s: F.max_pool2d(_class_maps(ids, k), s),
        ),
        ("the maps are sums, not means: a cell's shares should sum to one", lambda ids, k, s: F.avg_pool2d(_class_maps(ids, k), s) * s * s),
    ],
)
