"""The exercises of notebooks/01_color_quantization.ipynb."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...color import Palette
from ..exercise import Exercise
from .cases import distributions, random_values


def _distances(centers: Tensor, ab: Tensor) -> Tensor:
    """Subtract each centre from each colour: (..., K, 2, H, W)."""
    return ab.unsqueeze(-4) - centers[:, :, None, None]


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
    ],
)
one_hot = Exercise(
    "one_hot",
    lambda ids, k: F.one_hot(ids, k).movedim(-1, -3),
    lambda: [(torch.tensor([[0, 2, 1], [3, 3, 0]]), 5), (torch.tensor([[[1, 0]], [[2, 2]], [[0, 1]]]), 4)],
    [
        (
            "The classes are the last axis of your result: move them before the rows and columns, so that the shape is (..., K, H, W)",
            F.one_hot,
        ),
        (
            "Class 0 has no channel of its own: the classes count from 0, and each of them needs a channel",
            lambda ids, k: F.one_hot(ids, k + 1).movedim(-1, -3)[..., 1:, :, :],
            lambda ids, k: F.one_hot(ids, k).movedim(-1, -3)[..., 1:, :, :],
        ),
        (
            "The number of classes is taken from the picture: use k instead, because an absent class needs its (empty) channel too",
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
        (
            "Your function uses only the likeliest class: the expected colour is the mean of all centres, weighted by their shares in y",
            lambda c, y: c[y.argmax(-3)].movedim(-1, -3),
        ),
        (
            "The weights are not used, so this is the plain mean of the centres: weight each centre by its share in y",
            lambda c, y: _everywhere(c.mean(0), y),
        ),
        (
            "The weighted colours are averaged, not summed: add them up, because the weights already sum to one",
            lambda c, y: Palette(c).decode(y) / len(c),
        ),
        (
            "The colours are the last axis of your result: move them before the rows and columns, so that the shape is (..., 2, H, W)",
            lambda c, y: Palette(c).decode(y).movedim(-3, -1),
        ),
    ],
)


def _everywhere(color: Tensor, y: Tensor) -> Tensor:
    """Give every pixel of ``y`` the same colour."""
    return color[:, None, None].expand(*y.shape[:-3], 2, *y.shape[-2:])


def _class_maps(ids: Tensor, k: int) -> Tensor:
    return F.one_hot(ids, k).movedim(-1, 0).double()


shrink_labels = Exercise(
    "shrink_labels",
    lambda ids, k, stride: F.avg_pool2d(_class_maps(ids, k), stride),
    lambda: [(torch.arange(24).view(4, 6) % 5, 5, 2), (torch.arange(54).view(6, 9) ** 2 % 7, 7, 3)],
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
    ],
)
