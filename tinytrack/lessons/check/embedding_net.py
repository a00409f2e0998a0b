"""The exercises of notebooks/02_embedding_net.ipynb."""

import torch.nn.functional as F

from ..exercise import Exercise
from .cases import random_values

unit_length = Exercise(
    "unit_length",
    lambda f: F.normalize(f, dim=1),
    lambda: [(random_values(2, 3, 4, 5),), (3 * random_values(1, 7, 2, 3, seed=1),)],
    [
        ("the norm is taken along the width, not along D (axis 1): one vector is one cell's D numbers", lambda f: F.normalize(f, dim=-1)),
        (
            "the norm is taken along the height, not along D (axis 1): one vector is one cell's D numbers, not a column of cells",
            lambda f: F.normalize(f, dim=2),
        ),
        ("the norm is taken along the frames, not along D (axis 1)", lambda f: F.normalize(f, dim=0)),
        ("one norm is taken over the whole tensor: each cell has its own", lambda f: f / f.norm()),
        ("the square root is missing: the length is the root of the sum of squares", lambda f: f / f.square().sum(1, keepdim=True)),
        ("absolute values are summed: length means the root of the sum of squares", lambda f: F.normalize(f, p=1, dim=1)),
    ],
)


def _reach(layers, stride_counts=True, dilation_counts=True, minus_one=1, own_stride=False) -> int:
    """Receptive field in pixels, by the usual formula or one of its misreadings."""
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
        ("strides are ignored: after a stride of 2, one step of the next layer is two pixels", lambda x: _reach(x, stride_counts=False)),
        ("dilations are ignored: with dilation d the taps of a kernel are d apart", lambda x: _reach(x, dilation_counts=False)),
        ("a layer adds kernel - 1 steps, not kernel: one of its taps is where you stand already", lambda x: _reach(x, minus_one=0)),
        ("a layer's own stride is counted before its kernel: the stride moves the layers after it", lambda x: _reach(x, own_stride=True)),
    ],
)
cell_center = Exercise(
    "cell_center",
    lambda index, stride: stride * index + (stride - 1) / 2,
    lambda: [(0, 4), (3, 4), (2, 8), (5, 1)],
    [
        ("this is the cell's first pixel: the centre lies (stride - 1) / 2 further", lambda i, s: s * i),
        (
            "half a pixel too far: pixel centres are whole numbers here, so four pixels 0 1 2 3 are centred on 1.5, not on 2",
            lambda i, s: s * (i + 0.5),
        ),
        ("this is the next cell's first pixel less one: the cell's last pixel", lambda i, s: s * (i + 1) - 1),
    ],
)
