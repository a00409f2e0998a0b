"""The exercises of notebooks/02_embedding_net.ipynb."""

import math
from collections.abc import Sequence

from ..exercise import Exercise, Experiment


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


def _stride(layers) -> int:
    return math.prod(stride for _, stride, _ in layers)


def _added(layers) -> int:
    """Compute the receptive field with the sum of the strides in place of their product."""
    field = jump = 1
    for kernel, stride, dilation in layers:
        field += (kernel - 1) * dilation * jump
        jump += stride
    return field


receptive_field = Exercise(
    "receptive_field",
    _reach,
    lambda: [
        ([(3, 1, 1), (3, 1, 1)],),
        ([(6, 2, 1), (4, 2, 1), (3, 1, 2)],),
        ([(7, 2, 1), (3, 2, 1), (3, 1, 4), (5, 3, 2)],),
        ([(3, 2, 1), (3, 1, 1)],),
        ([(2, 3, 1), (4, 2, 3), (3, 1, 1)],),
    ],
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
        ("Your field starts at 0: start at 1, because a cell without any layers sees its own pixel", lambda x: _reach(x) - 1),
        ("The layers are taken from the last to the first: the first layer works on the pixels", lambda x: _reach(x[::-1])),
        ("The last layer is missing: it widens the field too", lambda x: _reach(x[:-1])),
        (
            "Your function adds up the kernel sizes: add (kernel - 1) x dilation x product of the strides so far",
            lambda x: sum(k for k, _, _ in x),
        ),
        ("Your function returns the product of the strides: it is the step between cells, not the size of the field", _stride),
        ("Your function returns the area of the field: return the length of its side", lambda x: _reach(x) ** 2),
        ("The strides are added up: multiply them, because a stride of 2 after a stride of 2 makes steps of 4 pixels", _added),
    ],
    edges=lambda: [
        ("there is only one layer", ([(5, 2, 3)],)),
        ("a kernel has size 1", ([(3, 2, 1), (1, 2, 1), (3, 1, 1)],)),
        ("the kernel size is even", ([(4, 1, 1), (2, 2, 1), (4, 1, 3)],)),
    ],
    steps=lambda layers: {"the field after each layer": [_reach(layers[:n]) for n in range(len(layers) + 1)]},
)
cell_center = Exercise(
    "cell_center",
    lambda index, stride: stride * index + (stride - 1) / 2,
    lambda: [(0, 4), (3, 4), (2, 8), (5, 1), (4, 3)],
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
        (
            "Your result is rounded to a whole pixel: keep the half, because the centre of an even number of pixels lies between two",
            lambda i, s: s * i + (s - 1) // 2,
            lambda i, s: s * i + s // 2,
            lambda i, s: round(s * i + (s - 1) / 2),
        ),
    ],
    steps=lambda i, s: {"the pixels of the cell": list(range(s * i, s * i + s))},
)


def _rows_seen(layers: Sequence[tuple[int, int, int]]) -> int:
    """Count the rows of pixels that reach one cell; fewer than the receptive field if dilated kernels leave gaps."""
    rows = {0}
    for kernel, stride, dilation in reversed(layers):
        rows = {stride * row + dilation * tap for row in rows for tap in range(kernel)}
    return len(rows)


FIELD, STRIDE, TAPS = 140, 4, 60  # what the layers of the experiment should have; TinyNet's kernels have 125 taps


def _judge_layers(layers: Sequence[tuple[int, int, int]]) -> str:
    """Say which receptive field and stride a list of layers has, what it does not see and what it costs."""
    for n, layer in enumerate(layers):
        if len(layer) != 3 or any(int(v) != v or v < 1 for v in layer):
            return f"Layer {n} is {tuple(layer)}: expected (kernel, stride, dilation), three whole numbers from 1 up"
    field, stride = _reach(layers), _stride(layers)
    if (field, stride) != (FIELD, STRIDE):
        return f"Your layers have stride {stride} and a field of {field} pixels: expected stride {STRIDE} and {FIELD} pixels"
    seen = _rows_seen(layers)
    if seen < FIELD:
        return f"Your field is {field} pixels high, but {field - seen} of its rows are never seen: let the dilations grow more slowly"
    taps = sum(kernel**2 for kernel, _, _ in layers)
    if taps > TAPS:
        return f"Stride {stride} and field {field} are right, but your kernels have {taps} taps: expected at most {TAPS}"
    return ""


layers = Experiment(
    "layers",
    lambda: [(2, 2, 1), (2, 2, 1), (3, 1, 1), (3, 1, 2), (3, 1, 4), (3, 1, 8), (3, 1, 2)],
    lambda: [()],
    _judge_layers,
)
