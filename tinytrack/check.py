"""The exercises of the notebooks, in their order: ``check.affinity(my_affinity)`` says whether it is right or names the mistake.

Two or more a notebook. Each has a solution and its usual slips, see :class:`tinytrack.exercise.Exercise`. The solution is the
library's own function where there is one, but not for Eq. 1, 2 and 3: these stand here a second time, so that the library can be
checked too (``check.affinity(pointer.affinity)``). Inputs are odd on purpose: no two sizes equal, since many a wrong axis is silent
on a square.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor

from .analysis import rank_correlation as spearman
from .color import Palette, frames_to_lab, lab_to_frames
from .draw import to_gray as _to_gray
from .exercise import Exercise
from .metrics import color_error as _color_error
from .metrics import pck as _pck
from .metrics import region_j as _region_j
from .pointer import affinity as _affinity
from .pointer import keep_top_k as _keep_top_k
from .pointer import window as _window
from .recipe import checkpoint_steps as _checkpoint_steps
from .track import Protocol, locate_joints, mask_labels, read_masks
from .track import joint_maps as _joint_maps
from .track import paint as _paint
from .track import propagate as _propagate


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.manual_seed(seed), dtype=torch.float64)


def _distributions(*shape: int, seed: int = 0) -> Tensor:
    """Rows that sum to one, none of their entries tiny."""
    return (0.7 * _random(*shape, seed=seed)).softmax(-1)


def _frame(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A colourful picture, uint8 (H, W, 3)."""
    return np.random.default_rng(seed).integers(20, 236, (height, width, 3), dtype=np.uint8)


# ---- 00_tour


def _zeroed(frame: np.ndarray, channels: slice) -> np.ndarray:
    lab = frames_to_lab(frame)
    lab[channels] = 0
    return lab_to_frames(lab)


to_gray = Exercise(
    "to_gray",
    _to_gray,
    lambda: [(_frame(5, 7),), (_frame(3, 4, 1),)],
    [
        ("this is the mean of red, green and blue: it is not L of Lab, to which green counts most", lambda x: _thrice(x.mean(-1))),
        (
            "these are the weights of television luma: it is not L of Lab, which is made from linear light",
            lambda x: _thrice(x @ np.array([0.299, 0.587, 0.114])),
        ),
        ("the lightness is gone and the colours are left: set a and b to 0, not L", lambda x: _zeroed(x, slice(0, 1))),
        ("only a is set to 0: b is a colour too", lambda x: _zeroed(x, slice(1, 2))),
        ("only b is set to 0: a is a colour too", lambda x: _zeroed(x, slice(2, 3))),
        ("the frame comes back in colour", lambda x: x),
    ],
    tolerance=1.01,  # a level of rounding
)


def _thrice(gray: np.ndarray) -> np.ndarray:
    return gray.round().astype(np.uint8)[..., None].repeat(3, -1)


def _painted(frame: np.ndarray, ab: Tensor, lightness=lambda own: own, **how) -> np.ndarray:
    lab = frames_to_lab(frame)
    lab[0] = lightness(lab[0])
    lab[1:] = F.interpolate(ab[None].float(), lab.shape[1:], **how)[0]
    return lab_to_frames(lab)


def _flat(level) -> Callable:
    """Every pixel gets one lightness: what ``level`` makes of the frame's own."""
    return lambda x, ab: _painted(x, ab, level, mode="bilinear", align_corners=False)


paint = Exercise(
    "paint",
    _paint,
    lambda: [(_frame(12, 20), 20 * _random(2, 3, 5)), (_frame(9, 8, 1), 20 * _random(2, 3, 2, seed=1))],
    [
        ("a and b have changed places", lambda x, ab: _paint(x, ab.flip(0))),
        (
            "the lightness is not the frame's own: only a and b may be replaced",
            *(_flat(lambda own, level=level: level) for level in (0, 50, 65, 100)),
            _flat(lambda own: own.mean()),
        ),
        ("the colours stand in blocks: scale ab up with mode='bilinear'", lambda x, ab: _painted(x, ab, mode="nearest")),
        (
            "the colours are shifted: with align_corners=True the corner pixels are stretched to the edges; it should be False",
            lambda x, ab: _painted(x, ab, mode="bilinear", align_corners=True),
        ),
    ],
    tolerance=1.01,
)


# ---- 01_color_quantization


def _distances(centers: Tensor, ab: Tensor) -> Tensor:
    return ab.unsqueeze(-4) - centers[:, :, None, None]  # (..., K, 2, H, W)


def _colors() -> list[tuple[Tensor, Tensor]]:
    return [(30 * _random(5, 2), 30 * _random(2, 4, 3, seed=1)), (30 * _random(7, 2, seed=2), 30 * _random(3, 2, 4, 6, seed=3))]


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
        (30 * _random(5, 2), _distributions(4, 3, 5).movedim(-1, 0)),
        (30 * _random(7, 2, seed=2), _distributions(2, 4, 6, 7, seed=3).movedim(-1, 1)),
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


# ---- 02_embedding_net

unit_length = Exercise(
    "unit_length",
    lambda f: F.normalize(f, dim=1),
    lambda: [(_random(2, 3, 4, 5),), (3 * _random(1, 7, 2, 3, seed=1),)],
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


# ---- 03_pointer_copy


def _points() -> list[tuple[Tensor, Tensor, float]]:
    return [(_random(2, 3, 4), _random(2, 5, 4, seed=1), 1.0), (_random(1, 6, 2, seed=2), _random(1, 4, 2, seed=3), 0.5)]


def _products(f_j: Tensor, f_i: Tensor) -> Tensor:
    return torch.einsum("bmd,bnd->bmn", f_j, f_i)


affinity = Exercise(
    "affinity",
    lambda f_j, f_i, temperature: (_products(f_j, f_i) / temperature).softmax(-1),
    _points,
    [
        ("columns sum to one, rows do not: softmax over the wrong axis", lambda j, i, t: (_products(j, i) / t).softmax(1)),
        (
            "the softmax runs over the clips of the batch (axis 0): each row needs one, over the references (the last axis)",
            lambda j, i, t: (_products(j, i) / t).softmax(0),
        ),
        (
            "everything together sums to one: each target pixel (row) needs a softmax of its own",
            lambda j, i, t: _whole(_products(j, i) / t),
        ),
        (
            "the result is (B, N, M), references by targets: row j should be a target pixel",
            lambda j, i, t: (_products(j, i) / t).softmax(-1).mT,
        ),
        ("the temperature multiplies the logits: it should divide them", lambda j, i, t: (_products(j, i) * t).softmax(-1)),
        ("the temperature divides twice", lambda j, i, t: (_products(j, i) / t**2).softmax(-1)),
        ("the temperature is not used", lambda j, i, t: _products(j, i).softmax(-1)),
        ("rows do not sum to one: these are the logits, the softmax is missing", lambda j, i, t: _products(j, i) / t),
        ("rows do not sum to one: exp without the division by its sum", lambda j, i, t: (_products(j, i) / t).exp()),
        ("this is the logarithm of the answer: log_softmax instead of softmax", lambda j, i, t: (_products(j, i) / t).log_softmax(-1)),
        (
            "the embeddings are normalised first: Eq. 2 takes the inner product as it is",
            lambda j, i, t: (_products(F.normalize(j, dim=-1), F.normalize(i, dim=-1)) / t).softmax(-1),
        ),
    ],
)


def _whole(logits: Tensor) -> Tensor:
    return logits.flatten(1).softmax(-1).view_as(logits)


def _by_hand(A: Tensor, c: Tensor) -> Tensor:
    """Loops with A's last two indices exchanged: on a matrix that is not square, one of them runs out of it."""
    y = torch.zeros(len(A), A.shape[1], c.shape[-1], dtype=c.dtype)
    for j in range(A.shape[1]):
        for i in range(A.shape[2]):
            y[:, j] += A[:, i, j, None] * c[:, i]
    return y


def _strongest(A: Tensor, c: Tensor) -> Tensor:
    return c.gather(1, A.argmax(-1)[..., None].expand(-1, -1, c.shape[-1]))


copy = Exercise(
    "copy",
    lambda A, c: torch.einsum("bmn,bnk->bmk", A, c),
    lambda: [(_distributions(2, 5, 3), _random(2, 3, 4, seed=1)), (_distributions(1, 3, 3, seed=2), _random(1, 3, 2, seed=3))],
    [
        ("A is used transposed: row j holds target j's weights, so y = A @ c", lambda A, c: A.mT @ c, _by_hand),
        ("only the strongest reference is copied: Eq. 1 is a weighted sum over all", _strongest),
        ("the labels go through a softmax: copy them as they are", lambda A, c: A @ c.softmax(-1)),
        ("the copied labels go through a second softmax: they are a mixture already", lambda A, c: (A @ c).softmax(-1)),
        ("the sum is divided by the number of references: the weights sum to one already", lambda A, c: A @ c / A.shape[-1]),
    ],
)


def _grid_distances(h: int, w: int) -> tuple[Tensor, Tensor]:
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
        ("the edge of the square is left out: a distance of exactly the radius is allowed (<=)", lambda h, w, r: _window(h, w, r - 1)),
        ("rows and columns are swapped: pixel number = row * w + column", lambda h, w, r: _window(w, h, r)),
        ("this is a disk: the window is a square, each of the two distances at most the radius", _disk),
        ("this is a diamond: the window is a square, each of the two distances at most the radius", _diamond),
        (
            "pixel numbers are compared: the end of one row and the start of the next are neighbours in number, not in the picture",
            lambda h, w, r: (torch.arange(h * w)[:, None] - torch.arange(h * w)).abs() <= r,
        ),
        ("True and False are swapped: True is where a pixel may point", lambda h, w, r: ~_window(h, w, r)),
    ],
)


def _kept(logits: Tensor, k: int, rest: float, dim: int = -1, largest: bool = True) -> Tensor:
    value, index = logits.topk(k, dim=dim, largest=largest)
    return torch.full_like(logits, rest).scatter(dim, index, value)


keep_top_k = Exercise(
    "keep_top_k",
    _keep_top_k,
    lambda: [(_random(2, 5, 7), 3), (_random(1, 4, 6, seed=1), 2), (torch.tensor([[[1.0, 3.0, 3.0, 3.0, 0.0]] * 4]), 2)],
    [
        (
            "the others are set to 0, which is a perfectly good similarity: set them to -inf",
            lambda x, k: _kept(x, k, 0.0),
            lambda x, k: torch.where(x >= x.topk(k).values[..., -1:], x, 0.0),
        ),
        ("the smallest are kept: topk needs largest=True", lambda x, k: _kept(x, k, -math.inf, largest=False)),
        (
            "the best are chosen among the targets: k references for each target (the last axis)",
            lambda x, k: _kept(x, k, -math.inf, dim=-2),
        ),
        (
            "with a tie more than k are kept: all that equal the k-th largest",
            lambda x, k: x.masked_fill(x < x.topk(k).values[..., -1:], -math.inf),
        ),
        ("a softmax is taken already: return logits", lambda x, k: _keep_top_k(x, k).softmax(-1)),
        ("only the k kept logits are returned: keep the shape, or nobody knows which pixels they belong to", lambda x, k: x.topk(k).values),
    ],
    seen=lambda kept: np.sort(kept) if kept.shape[-1] == 5 and kept.shape[0] == 1 else kept,  # the tie: of equals any may be kept
)


# ---- 04_training


def _truths(copied: Tensor, labels: Tensor) -> Tensor:
    return copied.gather(-1, labels[..., None]).squeeze(-1)


def _copied() -> list[tuple[Tensor, Tensor]]:
    return [
        (_distributions(2, 5, 4), torch.arange(10).view(2, 5) % 4),
        (_distributions(1, 7, 3, seed=1), torch.arange(7).view(1, 7) ** 2 % 3),
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


# ---- 05_track_masks


def _two_masks(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((7, 9)) < 0.4, rng.random((7, 9)) < 0.6


def _masks() -> list[tuple[np.ndarray, np.ndarray]]:
    nothing = np.zeros((3, 4), bool)
    return [_two_masks(0), _two_masks(1), (nothing, nothing), (nothing, ~nothing)]


def _ratio(over: float, under: float, empty: float = 1.0) -> float:
    return float(over / under) if under else empty


def _over(area) -> list:
    """Intersection over some area, with 1, NaN or 0 where that is empty."""
    return [lambda p, t, empty=empty: _ratio((p & t).sum(), area(p, t), empty) for empty in (1.0, math.nan, 0.0)]


def _divided(p: np.ndarray, t: np.ndarray) -> float:
    return int((p & t).sum()) / int((p | t).sum())


region_j = Exercise(
    "region_j",
    _region_j,
    _masks,
    [
        (
            "this is Dice (twice the intersection over the sum of the areas): J divides by the union",
            *_over(lambda p, t: (p.sum() + t.sum()) / 2),
        ),
        ("divided by the true area: an object that floods the frame would be perfect", *_over(lambda p, t: t.sum())),
        ("divided by the predicted area: one correct pixel would be perfect", *_over(lambda p, t: p.sum())),
        (
            "this is the share of pixels that agree: background counts, and for a small object there is little else",
            lambda p, t: (p == t).mean(),
        ),
        ("two empty masks give 0: nothing to find and nothing found is right, 1", lambda p, t: _ratio((p & t).sum(), (p | t).sum(), 0.0)),
        (
            "two empty masks divide 0 by 0: nothing to find and nothing found is right, 1",
            lambda p, t: _ratio((p & t).sum(), (p | t).sum(), math.nan),
            _divided,
        ),
    ],
)


def _protocol(back: tuple[int, ...], keep_first: bool = True) -> Protocol:
    return Protocol("exercise", size=None, back=back, keep_first=keep_first)


def _newest_first(index: int, back: tuple[int, ...], keep_first: bool) -> list[int]:
    return list(dict.fromkeys([0] * keep_first + [index - n for n in back if n <= index]))


references = Exercise(
    "references",
    lambda index, back, keep_first: _protocol(back, keep_first).references(index),
    lambda: [(5, (1, 2, 3), True), (1, (1, 2, 3), True), (9, (1, 4), False), (2, (1, 2), False), (2, (1, 3), False)],
    [
        ("the first frame is never kept: with keep_first it is always a reference", lambda i, b, k: _protocol(b, False).references(i)),
        ("the first frame is always kept: only with keep_first", lambda i, b, k: _protocol(b, True).references(i)),
        (
            "frames before the first one are references: leave out what is negative",
            lambda i, b, k: sorted({i - n for n in b} | ({0} if k else set())),
        ),
        ("a frame is among its own references: it has no labels yet", lambda i, b, k: [*_protocol(b, k).references(i), i]),
        ("a frame stands in the list twice", lambda i, b, k: sorted([i - n for n in b if n <= i] + ([0] if k else []))),
        ("the newest comes first: in order of time, please", lambda i, b, k: _protocol(b, k).references(i)[::-1], _newest_first),
    ],
)


def _follow(f: Tensor, labels: Tensor, temperature: float, first=True, recent=True, feed=lambda y: y) -> list[Tensor]:
    """Propagate with the first and the previous frame as references, or with a slip."""
    rows = f.flatten(2).mT  # (T, M, D)
    carried = [labels.flatten(1).T]
    for t in range(1, len(f)):
        past = [0] * first + [t - 1] * recent
        A = _affinity(rows[t][None], torch.cat([rows[s] for s in past])[None], temperature)
        carried.append(feed((A @ torch.cat([carried[s] for s in past])[None])[0]))
    return [c.T.view_as(labels) for c in carried]


def _harden(y: Tensor) -> Tensor:
    return F.one_hot(y.argmax(-1), y.shape[-1]).to(y.dtype)


def _all_hard(f: Tensor, labels: Tensor, temperature: float) -> list[Tensor]:
    return _follow(f, _harden(labels.movedim(0, -1)).movedim(-1, 0), temperature, feed=_harden)


propagate = Exercise(
    "propagate",
    lambda f, labels, temperature: torch.stack(list(_propagate(f, labels, _protocol((1,)), temperature))),
    lambda: [
        (_random(4, 6, 2, 3), _distributions(2, 3, 3, seed=1).movedim(-1, 0), 0.5),
        (_random(5, 3, 3, 2, seed=2), _distributions(3, 2, 2, seed=3).movedim(-1, 0), 1.0),
    ],
    [
        ("only the first frame is asked: the previous one is a reference too", lambda f, c, t: _follow(f, c, t, recent=False)),
        (
            "only the previous frame is asked: the first one, whose labels are true, is a reference too",
            lambda f, c, t: _follow(f, c, t, first=False),
        ),
        (
            "labels are made hard before they are fed back: copy the soft ones, or every error is final",
            lambda f, c, t: _follow(f, c, t, feed=_harden),
            _all_hard,
        ),
        ("the temperature is not used", lambda f, c, t: _follow(f, c, 1.0)),
        ("the first labels are missing: frame 0 gives back what was given", lambda f, c, t: _follow(f, c, t)[1:]),
    ],
)


def _read(maps: Tensor, balance: float, read: str = "balanced") -> np.ndarray:
    return read_masks(maps, np.arange(1, len(maps)), tuple(maps.shape[1:]), read, balance)


def _soft_maps(seed: int) -> Tensor:
    """A background that is stronger almost everywhere, as in dissolving labels."""
    y = _random(3, 4, 5, seed=seed)
    y[0] += 1.2
    return y.softmax(0)


read_balanced = Exercise(
    "read_balanced",
    _read,
    lambda: [(_soft_maps(0), 0.2), (_soft_maps(1), 0.5), (_soft_maps(2), 0.9)],
    [
        ("this is the plain argmax: divide each map by its prior to the power of balance first", lambda y, b: _read(y, 0.0)),
        ("the maps are multiplied by the prior: that favours the background even more; divide", lambda y, b: _read(y, -b)),
        ("all of the prior is taken back: only its power of balance", lambda y, b: _read(y, 1.0)),
        ("each map is stretched to 0..1 (min-max): divide by a power of its mean instead", lambda y, b: _read(y, b, "min_max")),
    ],
)


# ---- 06_track_pose


def _joints(seed: int, size: tuple[int, int], count: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.8, (count, 2)) * np.array(size[::-1])


def _blobs(xy: np.ndarray, size, grid, sigma: float, centre=0.5, off=None, power=2, crossed=False) -> Tensor:
    """Gaussians with the half pixel, or without, with sigma to the right power, or not; ``crossed``: x and y change places on the grid."""
    cell = torch.as_tensor((xy + centre) * np.array([grid[1] / size[1], grid[0] / size[0]]) - (centre if off is None else off))
    cell = cell.flip(1) if crossed else cell
    y, x = (torch.arange(n, dtype=torch.float64) for n in grid)
    far = (y[None, :, None] - cell[:, 1, None, None]) ** 2 + (x[None, None] - cell[:, 0, None, None]) ** 2
    return torch.exp(-far / (2 * sigma**power))


joint_maps = Exercise(
    "joint_maps",
    _joint_maps,
    lambda: [(_joints(0, (40, 60), 3), (40, 60), (10, 15), 0.7), (_joints(1, (24, 32), 2), (24, 32), (3, 8), 1.5)],
    [
        (
            "x and y are swapped: x counts columns, y rows",
            lambda xy, s, g, sigma: _blobs(xy[:, ::-1], s, g, sigma),
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, crossed=True),
        ),
        (
            "half a cell off: with (0, 0) the centre of a pixel, a cell is (x + 0.5) * w / W - 0.5",
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, centre=0.0),
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, off=0.0),
        ),
        (
            "the 2 is missing: a Gaussian is exp(-distance squared / (2 sigma squared))",
            lambda xy, s, g, sigma: _blobs(xy, s, g, sigma / math.sqrt(2)),
        ),
        ("sigma is not squared", lambda xy, s, g, sigma: _blobs(xy, s, g, sigma, power=1)),
        (
            "the maps sum to one: their peaks should be about 1, so that confidence can be read off them",
            lambda xy, s, g, sigma: _share(_blobs(xy, s, g, sigma)),
        ),
    ],
)


def _share(maps: Tensor) -> Tensor:
    return maps / maps.sum((1, 2), keepdim=True)


def _found(maps: Tensor, size: tuple[int, int], reach: int) -> np.ndarray:
    return locate_joints(maps, size, reach)[0]


def _peaky(seed: int, size, grid) -> Tensor:
    """One clear peak a map, and a faint far one, which a local centre of mass does not see."""
    far = _joints(seed, size, 3)
    return _joint_maps(far, size, grid).double() + 0.2 * _joint_maps(np.array(size[::-1]) - far, size, grid).double()


def _scaled(maps: Tensor, size: tuple[int, int], centre: float = 0.0) -> np.ndarray:
    """Cells times pixels a cell, without half a pixel taken off."""
    return (_found(maps, tuple(maps.shape[1:]), 2) + centre) * np.array([size[1] / maps.shape[2], size[0] / maps.shape[1]])


locate = Exercise(
    "locate",
    lambda maps, size: _found(maps, size, 2),
    lambda: [(_peaky(0, (60, 100), (15, 20)), (60, 100)), (_peaky(4, (88, 64), (22, 16)), (88, 64))],
    [
        ("whole cells: the centre of mass around the peak is finer", lambda m, s: _found(m, s, 0)),
        ("the centre of mass of the whole map: a faint second peak far away pulls it; stay near the first", lambda m, s: _found(m, s, 99)),
        ("x and y are swapped: x counts columns, y rows", lambda m, s: _found(m, s, 2)[:, ::-1]),
        ("these are cells of the grid: scale them to pixels", lambda m, s: _found(m, tuple(m.shape[1:]), 2)),
        (
            "half a cell off: cell 0 is centred on (0 + 0.5) * W / w - 0.5",
            _scaled,
            lambda m, s: _scaled(m, s, 0.5),
        ),
    ],
)


def _places(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints, of which one is hidden in truth and one was lost."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 100, (6, 2))
    predicted = true + rng.normal(0, 9, (6, 2))
    true[1], predicted[4] = np.nan, np.nan
    return predicted, true


def _right(predicted: np.ndarray, true: np.ndarray, reach: float, lost: float = 0.0) -> np.ndarray:
    distance = np.linalg.norm(predicted - true, axis=1)
    right = np.where(np.isnan(predicted).any(1), lost, distance <= reach)
    return np.where(np.isnan(true).any(1), np.nan, right)


def _box(true: np.ndarray) -> np.ndarray:
    return np.ptp(true[~np.isnan(true).any(1)], axis=0)


pck = Exercise(
    "pck",
    _pck,
    lambda: [(*_places(seed), threshold) for seed in range(6) for threshold in (0.1, 0.2)],
    [
        ("0.6 is missing: the threshold is a share of 0.6 x the diagonal", lambda p, t, s: _right(p, t, s * np.linalg.norm(_box(t)))),
        (
            "a lost joint is left out (NaN): whoever gives up on the hard ones would score best; count it as wrong, 0",
            lambda p, t, s: _right(p, t, 0.6 * s * np.linalg.norm(_box(t)), np.nan),
        ),
        ("the box's larger side is taken: it should be its diagonal", lambda p, t, s: _right(p, t, 0.6 * s * _box(t).max())),
        (
            "no joint is ever right: is the threshold taken as pixels (it is a share of 0.6 x the diagonal), or does the box hold the"
            " NaN of hidden joints?",
            lambda p, t, s: _right(p, t, s),
        ),
        ("hidden joints count as wrong: NaN where the truth is not known", lambda p, t, s: np.nan_to_num(_pck(p, t, s))),
    ],
)


# ---- 07_when_it_breaks


def _pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=12)
    ties = rng.integers(0, 4, 15).astype(float)
    return [(x, np.exp(2 * x) + rng.normal(size=12)), (ties, -ties + rng.integers(0, 3, 15))]


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(x, y)[0, 1])


rank_correlation = Exercise(
    "rank_correlation",
    spearman,
    _pairs,
    [
        ("this is Pearson's, of the values themselves: one outlier would decide it; take ranks first", _pearson),
        (
            "ties get different ranks, in the order in which they happen to stand: equal values share the mean of their ranks",
            lambda x, y: _pearson(x.argsort(kind="stable").argsort(), y.argsort(kind="stable").argsort()),
            lambda x, y: _pearson(x.argsort().argsort(), y.argsort().argsort()),
        ),
        (
            "argsort once gives an order, not ranks: apply it twice, or use scipy.stats.rankdata",
            lambda x, y: _pearson(x.argsort(), y.argsort()),
        ),
        (
            "only one of the two lists is ranked",
            lambda x, y: _pearson(rankdata(x), y),
            lambda x, y: _pearson(x, rankdata(y)),
            lambda x, y: _pearson(x.argsort().argsort(), y),
            lambda x, y: _pearson(x, y.argsort().argsort()),
        ),
        ("the sign is wrong", lambda x, y: -spearman(x, y)),
    ],
)


def _lab_difference(p: np.ndarray, t: np.ndarray) -> Tensor:
    return frames_to_lab(p) - frames_to_lab(t)


color_error = Exercise(
    "color_error",
    _color_error,
    lambda: [(_frame(5, 6), _frame(5, 6, 1)), (_frame(3, 8, 2), _frame(3, 8, 3))],
    [
        ("the lightness counts: it was given, only a and b were made up", lambda p, t: _lab_difference(p, t).square().sum(0).sqrt().mean()),
        (
            "the root comes after the mean: take the distance of each pixel, then their mean",
            lambda p, t: _lab_difference(p, t)[1:].square().sum(0).mean().sqrt(),
        ),
        ("the root is missing: a distance, not its square", lambda p, t: _lab_difference(p, t)[1:].square().sum(0).mean()),
        (
            "absolute differences are added: the distance in the plane of a and b is the root of the sum of squares",
            lambda p, t: _lab_difference(p, t)[1:].abs().sum(0).mean(),
        ),
        (
            "distances in RGB: there, light and colour are mixed; go to Lab first",
            lambda p, t: np.linalg.norm(p.astype(float) - t, axis=-1).mean(),
        ),
    ],
    tolerance=1e-3,
)


# ---- 08_what_came_next


def _without(picture: Tensor, channel: int) -> Tensor:
    hidden = picture.clone()
    hidden[..., channel, :, :] = 0
    return hidden


def _others_hidden(picture: Tensor, channel: int) -> Tensor:
    return picture - _without(picture, channel)


def _frame_hidden(picture: Tensor, channel: int) -> Tensor:
    hidden = picture.clone()
    hidden[:, channel] = 0
    return hidden


hide_channel = Exercise(
    "hide_channel",
    _without,
    lambda: [(_random(2, 4, 3, 5, 6), 1), (_random(1, 5, 3, 4, 2, seed=1), 2), (_random(1, 3, 3, 2, 5, seed=2), 0)],
    [
        ("the others are hidden and this one is shown: the network would see just what it must predict", _others_hidden),
        ("a frame is hidden, not a channel: the axes are (B, T, channels, H, W)", _frame_hidden),
        ("the channel is cut out: the network expects three; set it to 0", lambda p, c: torch.cat([p[:, :, :c], p[:, :, c + 1 :]], dim=2)),
        ("nothing is hidden", lambda p, c: p),
    ],
)


def _blob(seed: int, h: int, w: int) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    rng = np.random.default_rng(seed)
    return np.hypot(y - h * rng.uniform(0.35, 0.6), x - w * rng.uniform(0.35, 0.6)) < rng.uniform(0.2, 0.35) * min(h, w)


def _through(
    mask: np.ndarray, grid: tuple[int, int], down: str = "area", up: str = "bilinear", corners=False, dtype=torch.float64
) -> float:
    """J of a mask with itself after a trip to the grid and back."""
    maps = torch.as_tensor(mask, dtype=dtype)[None, None]
    maps = F.adaptive_avg_pool2d(maps, grid) if down == "area" else F.interpolate(maps, grid, mode="nearest")
    smooth = {"align_corners": corners} if up == "bilinear" else {}
    return _region_j(F.interpolate(maps, mask.shape, mode=up, **smooth)[0, 0].numpy() > 0.5, mask)


ceiling = Exercise(
    "ceiling",
    lambda mask, grid: _region_j(read_masks(mask_labels(mask, np.array([1]), grid), np.array([1]), mask.shape) == 1, mask),
    lambda: [(_blob(0, 60, 80), (8, 10)), (_blob(1, 48, 36), (6, 5)), (_blob(2, 90, 70), (9, 7))],
    [
        (
            "one pixel of each cell decides on the way down: average over the cell",
            lambda m, g: _through(m, g, down="nearest"),
            lambda m, g: _through(m, g, down="nearest", dtype=torch.float32),  # where a share is just one half, rounding decides
        ),
        ("the way back is in blocks: scale up with mode='bilinear' before you decide", lambda m, g: _through(m, g, up="nearest")),
        ("nearest both ways: average on the way down, bilinear on the way back", lambda m, g: _through(m, g, "nearest", "nearest")),
        (
            "with align_corners=True the corner cells are stretched to the edges; it should be False",
            lambda m, g: _through(m, g, corners=True),
        ),
        ("the mask is compared with itself: it must go to the grid and back first", lambda m, g: 1.0),
    ],
)


# ---- 09_your_video


def _pixel(x: float, y: float, shown: tuple[int, int], size: tuple[int, int]) -> tuple[float, float]:
    return (x * size[1] / shown[1] - 0.5, y * size[0] / shown[0] - 0.5)


click_to_pixel = Exercise(
    "click_to_pixel",
    _pixel,
    lambda: [(100.0, 30.0, (240, 427), (480, 854)), (7.5, 90.0, (300, 200), (144, 176))],
    [
        ("the scale is upside down: shown / size instead of size / shown", lambda x, y, s, z: _pixel(x, y, z, s)),
        ("sizes are (height, width): x goes with the width", lambda x, y, s, z: _pixel(x, y, s[::-1], z[::-1])),
        (
            "half a pixel off: a picture begins at 0, but the centre of its first pixel is called 0, so take off 0.5",
            lambda x, y, s, z: tuple(v + 0.5 for v in _pixel(x, y, s, z)),
            lambda x, y, s, z: _pixel(x + 0.5, y + 0.5, s, z),
        ),
        ("the result is (y, x): x first", lambda x, y, s, z: _pixel(x, y, s, z)[::-1]),
    ],
)

splice = Exercise(
    "splice",
    lambda before, after, frame: [*before[:frame], *after],
    lambda: [(list("abcdef"), list("XYZ"), 3), (list("abcd"), list("XYZ"), 1), (list("abcde"), list("X"), 4)],
    [
        ("the corrected frame stands there twice, wrong and right: keep only the frames before it", lambda b, a, n: [*b[: n + 1], *a]),
        ("the frame before the correction is lost", lambda b, a, n: [*b[: n - 1], *a]),
        ("the second track starts at the corrected frame, its frame 0 is video frame n: take all of it", lambda b, a, n: [*b[:n], *a[n:]]),
        ("frames after the correction come from the old track", lambda b, a, n: [*b[:n], a[0], *b[n + 1 :]]),
    ],
)

EXERCISES = {name: thing for name, thing in dict(globals()).items() if isinstance(thing, Exercise)}
"""All of them, by name."""
