"""The exercises of notebooks/03_pointer_copy.ipynb."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...pointer import affinity as _affinity
from ...pointer import keep_top_k as _keep_top_k
from ...pointer import pixels as _pixels
from ...pointer import window as _window
from ..exercise import Exercise, Experiment
from ..worked_example import worked_example
from .cases import random_values


def _points() -> list[tuple[Tensor, Tensor, float]]:
    return [
        (random_values(2, 3, 4), random_values(2, 5, 4, seed=1), 1.0),
        (random_values(1, 6, 2, seed=2), random_values(1, 4, 2, seed=3), 0.5),
        (torch.tensor([[[1.0, 0.0], [0.5, 1.0]]]).double(), torch.tensor([[[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0]]]).double(), 0.5),
        (random_values(3, 4, 3, seed=4), random_values(3, 4, 3, seed=5), 2.0),
    ]


def _products(f_j: Tensor, f_i: Tensor) -> Tensor:
    return torch.einsum("bmd,bnd->bmn", f_j, f_i)


affinity = Exercise(
    "affinity",
    lambda f_j, f_i, temperature: (_products(f_j, f_i) / temperature).softmax(-1),
    _points,
    [
        (
            "The columns sum to one instead of the rows, because you take the softmax over the wrong axis:"
            " use the last one, the references",
            lambda j, i, t: (_products(j, i) / t).softmax(1),
        ),
        (
            "The softmax runs over the clips of the batch (axis 0):"
            " take it over the last axis, the references, so that each row sums to one",
            lambda j, i, t: (_products(j, i) / t).softmax(0),
        ),
        (
            "In your result everything together sums to one: each target pixel (row) needs a softmax of its own",
            lambda j, i, t: _whole(_products(j, i) / t),
        ),
        (
            "The result is (B, N, M), references by targets: transpose it, so that row j is a target pixel",
            lambda j, i, t: (_products(j, i) / t).softmax(-1).mT,
        ),
        ("The temperature multiplies the logits: divide the logits by it instead", lambda j, i, t: (_products(j, i) * t).softmax(-1)),
        ("The logits are divided by the temperature twice: divide them only once", lambda j, i, t: (_products(j, i) / t**2).softmax(-1)),
        ("The temperature is not used: divide the logits by it before the softmax", lambda j, i, t: _products(j, i).softmax(-1)),
        (
            "The softmax is missing, so your function returns the logits: take a softmax over the last axis, so that each row sums to one",
            lambda j, i, t: _products(j, i) / t,
        ),
        (
            "Your function returns exp without the division by its sum: divide each row by its sum, so that the row sums to one",
            lambda j, i, t: (_products(j, i) / t).exp(),
        ),
        (
            "Your function returns the logarithm of the answer: use softmax instead of log_softmax",
            lambda j, i, t: (_products(j, i) / t).log_softmax(-1),
        ),
        (
            "The embeddings are normalised first: Eq. 2 takes the inner product of the embeddings as they are",
            lambda j, i, t: (_products(F.normalize(j, dim=-1), F.normalize(i, dim=-1)) / t).softmax(-1),
        ),
        (
            "The logits are divided by the root of D, as in a transformer: Eq. 2 divides them only by the temperature",
            lambda j, i, t: (_products(j, i) / t / math.sqrt(j.shape[-1])).softmax(-1),
            lambda j, i, t: (_products(j, i) / math.sqrt(j.shape[-1])).softmax(-1),
        ),
        (
            "Your similarity is the negative distance: Eq. 2 takes the inner product of the embeddings",
            lambda j, i, t: (-torch.cdist(j, i) / t).softmax(-1),
            lambda j, i, t: (-(torch.cdist(j, i) ** 2) / t).softmax(-1),
        ),
        (
            "The temperature divides the result of the softmax: divide the logits by it before the softmax",
            lambda j, i, t: _products(j, i).softmax(-1) / t,
        ),
        (
            "The logits have the wrong sign, so the least similar reference gets the largest weight: leave out the minus",
            lambda j, i, t: (-_products(j, i) / t).softmax(-1),
        ),
        (
            "Your function divides the inner products by their sum without an exponential: take a softmax, which begins with exp",
            lambda j, i, t: _products(j, i) / _products(j, i).sum(-1, keepdim=True),
            lambda j, i, t: _products(j, i) / t / (_products(j, i) / t).sum(-1, keepdim=True),
        ),
        (
            "Your function takes a sigmoid of each logit: take a softmax over the references, so that each row sums to one",
            lambda j, i, t: (_products(j, i) / t).sigmoid(),
        ),
        (
            "Your function points only at the most similar reference: a softmax gives every reference some weight",
            lambda j, i, t: F.one_hot(_products(j, i).argmax(-1), i.shape[1]),
        ),
    ],
    edges=lambda: [
        ("there is only one target pixel", (random_values(2, 1, 3, seed=6), random_values(2, 4, 3, seed=7), 1.0)),
        ("there is only one reference pixel", (random_values(2, 3, 2, seed=8), random_values(2, 1, 2, seed=9), 1.0)),
        ("the embeddings have one number each", (random_values(1, 2, 1, seed=10), random_values(1, 3, 1, seed=11), 0.3)),
    ],
    steps=lambda j, i, t: {"logits": _products(j, i) / t},
)


def _whole(logits: Tensor) -> Tensor:
    """Take one softmax over all rows and columns of a clip."""
    return logits.flatten(1).softmax(-1).view_as(logits)


def _grid_distances(h: int, w: int) -> tuple[Tensor, Tensor]:
    """Compute the distances in rows and in columns between all pairs of pixels."""
    y, x = torch.arange(h).repeat_interleave(w), torch.arange(w).repeat(h)
    return (y[:, None] - y).abs(), (x[:, None] - x).abs()


def _disk(h: int, w: int, r: int) -> Tensor:
    dy, dx = _grid_distances(h, w)
    return dy**2 + dx**2 <= r**2


def _diamond(h: int, w: int, r: int) -> Tensor:
    dy, dx = _grid_distances(h, w)
    return dy + dx <= r


def _one_sided(h: int, w: int, r: int) -> Tensor:
    y, x = torch.arange(h).repeat_interleave(w), torch.arange(w).repeat(h)
    return (y[:, None] - y <= r) & (x[:, None] - x <= r)


def _without_itself(h: int, w: int, r: int) -> Tensor:
    return _window(h, w, r) & ~torch.eye(h * w, dtype=torch.bool)


_half_open = [
    lambda h, w, r: (_grid_distances(h, w)[0] <= r) & (_grid_distances(h, w)[1] < r),
    lambda h, w, r: (_grid_distances(h, w)[0] < r) & (_grid_distances(h, w)[1] <= r),
]
window = Exercise(
    "window",
    _window,
    lambda: [(4, 6, 3), (5, 3, 1), (2, 3, 1), (6, 5, 2)],
    [
        ("The edge of the square is left out: allow a distance of exactly the radius too (<=)", lambda h, w, r: _window(h, w, r - 1)),
        ("The rows and columns are swapped: the pixel number is row * w + column", lambda h, w, r: _window(w, h, r)),
        ("Your window is a disk: it should be a square, in which rows and columns each differ by at most the radius", _disk),
        ("Your window is a diamond: it should be a square, in which rows and columns each differ by at most the radius", _diamond),
        (
            "The pixel numbers are compared, but the end of one row and the start of the next are not neighbours in the picture:"
            " compare rows and columns",
            lambda h, w, r: (torch.arange(h * w)[:, None] - torch.arange(h * w)).abs() <= r,
        ),
        ("True and False are swapped: True marks the pixels at which a target may point", lambda h, w, r: ~_window(h, w, r)),
        (
            "Your window limits only the rows: the columns must differ by at most the radius too",
            lambda h, w, r: _grid_distances(h, w)[0] <= r,
        ),
        (
            "Your window limits only the columns: the rows must differ by at most the radius too",
            lambda h, w, r: _grid_distances(h, w)[1] <= r,
        ),
        (
            "Your window lets rows or columns differ by at most the radius: both must, so combine them with & instead of |",
            lambda h, w, r: (_grid_distances(h, w)[0] <= r) | (_grid_distances(h, w)[1] <= r),
        ),
        (
            "The absolute value is missing, so a target points any distance back, or any distance ahead: compare absolute differences",
            lambda h, w, r: _one_sided(h, w, r),
            lambda h, w, r: _one_sided(h, w, r).mT,
        ),
        ("In your window no pixel may point at its own place: a distance of 0 is allowed too", _without_itself),
        ("Your window is one pixel too narrow in one direction: use <= for both rows and columns", *_half_open),
    ],
    edges=lambda: [
        ("the radius is 0", (2, 3, 0)),
        ("the radius is larger than the frame", (2, 3, 9)),
        ("the frame is one row", (1, 5, 2)),
        ("the frame is one column", (5, 1, 2)),
    ],
    kind="bool",
)


def _kept(logits: Tensor, k: int, rest: float, dim: int = -1, largest: bool = True) -> Tensor:
    value, index = logits.topk(k, dim=dim, largest=largest)
    return torch.full_like(logits, rest).scatter(dim, index, value)


_below = [
    lambda x, k: x.masked_fill(x <= x.topk(k).values[..., -1:], -math.inf),
    lambda x, k: _keep_top_k(x, k - 1) if k > 1 else torch.full_like(x, -math.inf),
]
keep_top_k = Exercise(
    "keep_top_k",
    _keep_top_k,
    lambda: [
        (random_values(2, 5, 7), 3),
        (random_values(1, 4, 6, seed=1), 2),
        (torch.tensor([[[1.0, 3.0, 3.0, 3.0, 0.0]] * 4]), 2),
        (torch.tensor([[[2.0, -1.0, 0.0, 1.0], [-3.0, -2.0, -4.0, -1.0]]]).double(), 2),
    ],
    [
        (
            "The other logits are set to 0, which is a perfectly good similarity: set them to -inf",
            lambda x, k: _kept(x, k, 0.0),
            lambda x, k: torch.where(x >= x.topk(k).values[..., -1:], x, 0.0),
        ),
        ("The k smallest are kept: call topk with largest=True", lambda x, k: _kept(x, k, -math.inf, largest=False)),
        (
            "The k best are chosen among the targets: choose k references for each target (along the last axis)",
            lambda x, k: _kept(x, k, -math.inf, dim=-2),
        ),
        (
            "More than k logits are kept when there is a tie for the k-th place: keep exactly k, by the indices that topk returns",
            lambda x, k: x.masked_fill(x < x.topk(k).values[..., -1:], -math.inf),
        ),
        ("Your function already takes the softmax: return the logits", lambda x, k: _keep_top_k(x, k).softmax(-1)),
        (
            "Your function returns only the k kept logits: keep the shape of the input, which shows the pixel that each logit belongs to",
            lambda x, k: x.topk(k).values,
        ),
        (
            "Your function returns the numbers of the kept references: return the logits in the shape of the input, the others as -inf",
            lambda x, k: x.topk(k).indices,
        ),
        (
            "The other logits are set to a large negative number: set them to -inf, float('-inf')",
            *(lambda x, k, rest=rest: _kept(x, k, rest) for rest in (-1e3, -1e4, -1e5, -1e6, -1e8, -1e9, -1e10, -1e12, -1e20, -1e30)),
        ),
        (
            "The best logits of all rows together are kept: choose k references for each target (along the last axis)",
            lambda x, k: _kept(x.flatten(), k, -math.inf).view_as(x),
            lambda x, k: _kept(x.flatten(1), k, -math.inf).view_as(x),
            lambda x, k: _kept(x.flatten(), k * x[..., 0].numel(), -math.inf).view_as(x),
        ),
        (
            "The best k logits are set to -inf and the others kept: do it the other way round",
            lambda x, k: x.scatter(-1, x.topk(k).indices, -math.inf),
        ),
        ("The k-th largest logit is not kept: compare with >=, or use the indices that topk returns", *_below),
        ("Your function returns a mask: return the logits, with -inf where the mask is False", lambda x, k: _keep_top_k(x, k) > -math.inf),
    ],
    edges=lambda: [
        ("k is the number of references", (random_values(1, 2, 3, seed=2), 3)),
        ("k is 1", (random_values(1, 2, 4, seed=3), 1)),
        ("some logits are -inf already", (torch.tensor([[[0.5, -math.inf, 0.0, -2.0], [-math.inf, -math.inf, -1.0, -3.0]]]).double(), 2)),
        ("a row has fewer than k logits above -inf", (torch.tensor([[[0.5, -math.inf, -math.inf, -math.inf]]]).double(), 2)),
        ("there is only one target", (random_values(2, 1, 4, seed=4), 2)),
    ],
    seen=lambda kept: (
        np.sort(kept) if kept.shape[-1] == 5 and kept.shape[0] == 1 else kept
    ),  # in the case with a tie any of the equal logits may be kept
)


SHARE = 0.9  # of its attention that a target pixel should give to the object


def _one_object() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Target pixels whose object is more similar than everything else: the worked example, unit vectors, and embeddings of any length."""
    example = worked_example()
    f, on_object = example.embeddings.double(), torch.tensor(example.masks[0] == 1).flatten()
    cases = [(_pixels(f[1:2])[0, 2], _pixels(f[:1])[0], on_object)]
    for seed, length in ((0, 1.0), (1, 6.0)):
        f_j = length * F.normalize(random_values(8, seed=seed), dim=0)
        f_i = length * F.normalize(random_values(60, 8, seed=seed + 2), dim=1)
        on_object = f_i @ f_j >= (f_i @ f_j).topk(4).values[-1]
        cases.append((f_j, f_i, on_object))
    return cases


def _share(f_j: Tensor, f_i: Tensor, on_object: Tensor, temperature: float) -> float:
    """Compute the share of its attention that a pixel gives to the object."""
    return float(_affinity(f_j[None, None], f_i[None], temperature)[0, 0, on_object].sum())


def _temperature_for_share(f_j: Tensor, f_i: Tensor, on_object: Tensor) -> float:
    """Find the temperature by bisection: the share of the object falls as the temperature rises."""
    low, high = 1e-4, 1e4
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if _share(f_j, f_i, on_object, middle) > SHARE else (low, middle)
    return low


def _positive(value, name: str) -> str:
    """Return a sentence that says what is wrong with a number that should be finite and positive; "" if nothing is."""
    if np.ndim(value) != 0:
        return f"Your function returns {np.size(value)} numbers: expected one, the {name}"
    if not (math.isfinite(float(value)) and float(value) > 0):
        return f"Your {name} is {float(value):g}: expected a finite number above 0"
    return ""


def _judge_share(result, f_j: Tensor, f_i: Tensor, on_object: Tensor) -> str:
    if problem := _positive(result, "temperature"):
        return problem
    share, lengths = _share(f_j, f_i, on_object, float(result)), f_i.norm(dim=1)
    if abs(share - SHARE) <= 0.01:
        return ""
    where = f"{len(f_i)} reference pixels with embeddings of length {lengths.mean():.0f}"
    advice = "a lower temperature points more sharply" if share < SHARE else "a higher temperature spreads the attention"
    return (
        f"At τ = {float(result):.4g} the pixel gives {100 * share:.1f} % of its attention to the object (for {where}),"
        f" but expected 90 %: {advice}"
    )


temperature = Experiment("temperature", _temperature_for_share, _one_object, _judge_share)


def _products_to_overflow() -> list[tuple[Tensor]]:
    """Rows of inner products, float32: of unit vectors, of long embeddings, and a row so long that only the sum overflows."""
    rows = ([1.0, 0.48, -0.55], [30.0, 12.0, -40.0], [0.2, 0.1], [1.0] * 5000)
    return [(torch.tensor(row, dtype=torch.float32),) for row in rows]


def _breaks(products: Tensor, temperature: float) -> bool:
    """Whether the softmax as Eq. 2 writes it, exp divided by its sum, loses its numbers in float32."""
    weights = torch.exp(products.float() / temperature)
    return not bool(torch.isfinite(weights.sum()))


def _overflow_temperature(products: Tensor) -> float:
    """Find the temperature at which the sum of exponentials is the largest float32."""
    low, high = 1e-6, 1e6
    for _ in range(80):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if _breaks(products, middle) else (low, middle)
    return low


def _judge_overflow(result, products: Tensor) -> str:
    if problem := _positive(result, "temperature"):
        return problem
    found, row = float(result), f"{len(products)} products, of which the largest is {products.max():g}"
    if not _breaks(products, 0.99 * found):
        largest = float(torch.exp(products.double().max() / found))
        return f"At τ = {found:.4g} nothing overflows yet for {row} (exp gives at most {largest:.2g}): expected a lower temperature"
    if _breaks(products, 1.01 * found):
        return f"At τ = {found:.4g} the sum already is infinite for {row}, and also at temperatures above it: expected a higher temperature"
    return ""


overflow_temperature = Experiment("overflow_temperature", _overflow_temperature, _products_to_overflow, _judge_overflow)
