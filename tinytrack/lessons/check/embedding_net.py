"""The exercises of notebooks/02_embedding_net.ipynb."""

import torch.nn.functional as F

from ..exercise import Exercise
from .cases import random_values

unit_length = Exercise(
    "unit_length",
    lambda f: F.normalize(f, dim=1),
    lambda: [(random_values(2, 3, 4, 5),), (3 * random_values(1, 7, 2, 3, seed=1),)],
    [
        (
            "The norm is taken along the width: take it along D (axis 1), because one vector is the D numbers of one cell",
            lambda f: F.normalize(f, dim=-1),
        ),
        (
            "The norm is taken along the height:"
            " take it along D (axis 1), because one vector is the D numbers of one cell, not a column of cells",
            lambda f: F.normalize(f, dim=2),
        ),
        (
            "The norm is taken along the frames: take it along D (axis 1), because every frame has its own vector at each cell",
            lambda f: F.normalize(f, dim=0),
        ),
        ("One norm is taken over the whole tensor: divide the vector of each cell by its own norm", lambda f: f / f.norm()),
        (
            "The square root is missing: divide by the root of the sum of squares, which is the length",
            lambda f: f / f.square().sum(1, keepdim=True),
        ),
        (
            "The absolute values are summed: divide by the root of the sum of squares instead, which is the length",
            lambda f: F.normalize(f, p=1, dim=1),
        ),
    ],
)


def _reach(layers, stride_counts=True, dilation_counts=True, minus_one=1, own_stride=False) -> int:
    """Compute the receptive field in pixels, by the usual formula or with one of the usual mistakes."""
    field = jump = 1
    for kernel, stride, dilation in layers:
        if own_stride:
            jump *= stride
        field += (kernel - minus_one) * (dilation if dilation_counts else 1) * jump
        if stride_counts and not own_stride:
            jump *= stride
    return field


receptive_field = Exercise(
    "receptive_field",
    _reach,
    lambda: [([(3, 1, 1), (3, 1, 1)],), ([(6, 2, 1), (4, 2, 1), (3, 1, 2)],), ([(7, 2, 1), (3, 2, 1), (3, 1, 4), (5, 3, 2)],)],
    [
        (
            "The strides are ignored: after a stride of 2, one step of the next layer is two pixels, so keep the product of the strides",
            lambda x: _reach(x, stride_counts=False),
        ),
        (
            "The dilations are ignored: with dilation d the taps of a kernel are d steps apart, so multiply kernel - 1 by d",
            lambda x: _reach(x, dilation_counts=False),
        ),
        (
            "Your function adds kernel steps per layer: add kernel - 1 steps, because one tap lies on a position that is already counted",
            lambda x: _reach(x, minus_one=0),
        ),
        (
            "A layer's own stride is counted before its kernel: multiply by it afterwards, because it only affects the layers that follow",
            lambda x: _reach(x, own_stride=True),
        ),
    ],
)
cell_center = Exercise(
    "cell_center",
    lambda index, stride: stride * index + (stride - 1) / 2,
    lambda: [(0, 4), (3, 4), (2, 8), (5, 1)],
    [
        ("Your function returns the cell's first pixel: the centre lies (stride - 1) / 2 pixels further on", lambda i, s: s * i),
        (
            "Your result is half a pixel too far:"
            " pixel centres are whole numbers here, so the four pixels 0, 1, 2 and 3 are centred on 1.5, not on 2",
            lambda i, s: s * (i + 0.5),
        ),
        (
            "Your function returns the cell's last pixel: the centre lies half way between its first and its last",
            lambda i, s: s * (i + 1) - 1,
        ),
    ],
)
