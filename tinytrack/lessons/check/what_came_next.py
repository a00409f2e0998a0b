"""The exercises of notebooks/08_what_came_next.ipynb."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...datasets.clips import CLIPS, open_clip
from ...evaluation.metrics import region_j as _region_j
from ...io.masks import read_mask
from ...label_maps import mask_labels, read_masks
from ...model import Model, load_model
from ...propagate import PAPER, Protocol, propagate
from ...track import embed_video
from ..exercise import Exercise, Experiment
from .cases import random_values


def _without(picture: Tensor, channel: int) -> Tensor:
    """Set one channel to 0."""
    hidden = picture.clone()
    hidden[..., channel, :, :] = 0
    return hidden


def _others_hidden(picture: Tensor, channel: int) -> Tensor:
    return picture - _without(picture, channel)


def _frame_hidden(picture: Tensor, channel: int) -> Tensor:
    hidden = picture.clone()
    hidden[:, channel] = 0
    return hidden


def _zero(picture: Tensor, axis: int, index: int) -> Tensor:
    return picture.index_fill(axis, torch.tensor(index), 0)


def _in_first(*axes: int) -> Callable:
    """Return a function that hides the channel only in the first item along some axes, 0 for clips and 1 for frames."""

    def hide(picture, channel):
        hidden = picture.clone()
        hidden[tuple(0 if axis in axes else slice(None) for axis in (0, 1))][..., channel, :, :] = 0
        return hidden

    return hide


_several = [
    lambda p, c: torch.cat([0 * p[:, :, : c + 1], p[:, :, c + 1 :]], dim=2),
    lambda p, c: torch.cat([p[:, :, :c], 0 * p[:, :, c:]], dim=2),
]
hide_channel = Exercise(
    "hide_channel",
    _without,
    lambda: [
        *[(random_values(2, 4, 3, 5, 6), 1), (random_values(1, 5, 3, 4, 2, seed=1), 2), (random_values(1, 3, 3, 2, 5, seed=2), 0)],
        *((1.0 + torch.arange(n * 12).reshape(n, 2, 3, 2, 1), c) for n, c in ((2, 1), (1, 0), (2, 2))),
    ],
    [
        (
            "The other channels are hidden and this one is shown, so the network sees exactly what it must predict: hide this one instead",
            _others_hidden,
        ),
        ("Your function hides a frame instead of a channel: the axes are (B, T, channels, H, W), so the channel is axis 2", _frame_hidden),
        (
            "The channel is cut out, but the network expects three: set the channel to 0 instead",
            lambda p, c: torch.cat([p[:, :, :c], p[:, :, c + 1 :]], dim=2),
        ),
        ("In your result nothing is hidden: set the given channel to 0", lambda p, c: p),
        (
            "Your function hides a row or a column instead of a channel: the axes are (B, T, channels, H, W), so the channel is axis 2",
            *(lambda p, c, axis=axis: _zero(p, axis, c) for axis in (3, 4)),
        ),
        ("Your function hides a clip of the batch instead of a channel: the axes are (B, T, channels, H, W)", lambda p, c: _zero(p, 0, c)),
        ("Your function hides the channel only in the first frame: hide it in all frames", _in_first(1), _in_first(0, 1)),
        ("Your function hides the channel only in the first clip of the batch: hide it in all clips", _in_first(0)),
        ("Your function hides all channels: hide only the given one", lambda p, c: 0 * p),
        (
            "Your function returns only the given channel: return all three, with this one set to 0",
            lambda p, c: p[:, :, c],
            lambda p, c: p[:, :, c : c + 1],
        ),
        ("Your function hides the channel before the given one: channels count from 0", lambda p, c: _without(p, c - 1)),
        ("Your function hides the channel after the given one: channels count from 0", lambda p, c: _without(p, (c + 1) % 3)),
        ("Your function always hides the same channel: use the argument channel", *(lambda p, c, n=n: _without(p, n) for n in range(3))),
        ("Your function hides several channels: hide only the given one", *_several),
        ("The channel is set to 1: set it to 0", lambda p, c: _without(p, c) + (p * 0 + 1 - _without(p * 0 + 1, c))),
    ],
    edges=lambda: [("the picture has zeros and negative values", (torch.arange(-6.0, 6.0).double().reshape(1, 2, 3, 1, 2), 1))],
)


def _blob(seed: int, h: int, w: int) -> np.ndarray:
    """Draw a disk of random place and size as a boolean mask."""
    y, x = np.mgrid[:h, :w]
    rng = np.random.default_rng(seed)
    return np.hypot(y - h * rng.uniform(0.35, 0.6), x - w * rng.uniform(0.35, 0.6)) < rng.uniform(0.2, 0.35) * min(h, w)


def _through(
    mask: np.ndarray, grid: tuple[int, int], down: str = "area", up: str = "bilinear", corners=False, dtype=torch.float64
) -> float:
    """Scale a mask down to the grid and up again, and compute its J with the original."""
    maps = torch.as_tensor(mask, dtype=dtype)[None, None]
    maps = F.adaptive_avg_pool2d(maps, grid) if down == "area" else F.interpolate(maps, grid, mode="nearest")
    smooth = {"align_corners": corners} if up == "bilinear" else {}
    return _region_j(F.interpolate(maps, mask.shape, mode=up, **smooth)[0, 0].numpy() > 0.5, mask)


def _maps_through(mask: np.ndarray, grid: tuple[int, int], up: str = "bilinear") -> tuple[Tensor, Tensor]:
    """Scale a mask down to the grid, (h, w), and up again, (H, W)."""
    small = F.adaptive_avg_pool2d(torch.as_tensor(mask, dtype=torch.float64)[None, None], grid)
    return small[0, 0], F.interpolate(small, mask.shape, mode=up)[0, 0]


def _score(mask: np.ndarray, grid: tuple[int, int], score: Callable, up: str = "bilinear") -> float:
    return float(score(_maps_through(mask, grid, up)[1].numpy() > 0.5, mask))


def _bilinear_down(mask: np.ndarray, grid: tuple[int, int]) -> float:
    small = F.interpolate(torch.as_tensor(mask, dtype=torch.float64)[None, None], grid, mode="bilinear")
    return _region_j(F.interpolate(small, mask.shape, mode="bilinear")[0, 0].numpy() > 0.5, mask)


def _hard_on_the_grid(mask: np.ndarray, grid: tuple[int, int]) -> float:
    small = (_maps_through(mask, grid)[0] > 0.5).double()
    return _region_j(F.interpolate(small[None, None], mask.shape, mode="bilinear")[0, 0].numpy() > 0.5, mask)


def _largest_down(mask: np.ndarray, grid: tuple[int, int]) -> float:
    small = F.adaptive_max_pool2d(torch.as_tensor(mask, dtype=torch.float64)[None, None], grid)
    return _region_j(F.interpolate(small, mask.shape, mode="bilinear")[0, 0].numpy() > 0.5, mask)


_FLAG = np.array([[0, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]], bool)
_HALF = np.array([[1, 1], [0, 0]], bool)
ceiling = Exercise(
    "ceiling",
    lambda mask, grid: _region_j(read_masks(mask_labels(mask, np.array([1]), grid), np.array([1]), mask.shape) == 1, mask),
    lambda: [(_blob(0, 60, 80), (8, 10)), (_blob(1, 48, 36), (6, 5)), (_blob(2, 90, 70), (9, 7)), (_FLAG, (2, 3))],
    [
        (
            "In your function one pixel of each cell decides on the way down: average over the cell instead",
            lambda m, g: _through(m, g, down="nearest"),
            lambda m, g: _through(m, g, down="nearest", dtype=torch.float32),  # where a share is exactly one half, rounding decides
        ),
        ("The way back is in blocks: scale up with mode='bilinear' before you compare with 0.5", lambda m, g: _through(m, g, up="nearest")),
        (
            "Your function uses nearest both ways: average on the way down, and scale up bilinearly on the way back",
            lambda m, g: _through(m, g, "nearest", "nearest"),
        ),
        (
            "The corner cells are stretched to the edges by align_corners=True: set it to False",
            lambda m, g: _through(m, g, corners=True),
        ),
        ("The mask is compared with itself: bring it to the grid and back first", lambda m, g: 1.0),
        ("The way down is bilinear, which sees only a few pixels of each cell: average over the cell", lambda m, g: _bilinear_down(m, g)),
        ("The way back is bicubic: scale up with mode='bilinear'", lambda m, g: _score(m, g, _region_j, "bicubic")),
        (
            "Your score is the share of pixels that agree: divide the intersection by the union instead",
            lambda m, g: _score(m, g, lambda b, t: (b == t).mean()),
        ),
        (
            "Your score is Dice: divide the intersection by the union instead",
            lambda m, g: _score(m, g, lambda b, t: 2 * (b & t).sum() / (b.sum() + t.sum())),
        ),
        (
            "Your score divides the intersection by the area of one mask: divide it by the union instead",
            lambda m, g: _score(m, g, lambda b, t: (b & t).sum() / t.sum()),
            lambda m, g: _score(m, g, lambda b, t: (b & t).sum() / b.sum()),
        ),
        (
            "Your function thresholds the shares on the grid before it scales up: scale the shares up first, then compare with 0.5",
            _hard_on_the_grid,
        ),
        ("Your function takes the largest value of each cell: average over the cell", _largest_down),
        ("The height and the width of the grid are swapped: grid is (h, w)", lambda m, g: _through(m, g[::-1])),
        (
            "The shares are not compared with 0.5 on the way back: a pixel belongs to the mask where its share is above one half",
            lambda m, g: _region_j(_maps_through(m, g)[1].numpy() > 0, m),
        ),
        (
            "Your function returns the mask that comes back: return its J with the original",
            lambda m, g: _maps_through(m, g)[1].numpy() > 0.5,
        ),
        ("Your function returns the shares on the grid: scale them up, and return J", lambda m, g: _maps_through(m, g)[0]),
    ],
    edges=lambda: [
        ("a share is exactly 0.5 (only more than one half counts)", (_HALF, (1, 1))),
        ("the mask fills the frame", (np.ones((3, 4), bool), (1, 2))),
        ("the grid is as fine as the frame", (_FLAG, (4, 6))),
    ],
    steps=lambda m, g: dict(zip(("the shares on the grid", "the shares scaled up"), _maps_through(m, g), strict=True)),
)


TIE, FRAMES = 2, (20, 40)  # the bow tie of carphone, and the frames in which it is scored
CHANGES, ENOUGH = 2, 0.62  # fields that may be changed, and the J to reach; one field alone does not reach it


@cache
def _carphone() -> tuple[Model, Tensor, dict[int, np.ndarray]]:
    """The network, its embeddings of carphone under the paper's protocol, and the true masks."""
    model = load_model("tiny-gray")
    frames = open_clip("carphone").read(max_frames=FRAMES[-1] + 1)
    return model, embed_video(frames, model, PAPER), {t: read_mask(CLIPS["carphone"].masks[t]) for t in (0, *FRAMES)}


@torch.inference_mode()
def bow_tie_j(protocol: Protocol) -> float:
    """Compute the mean J of the bow tie of carphone, propagated from frame 0 by tiny-gray on the grid of the paper's protocol."""
    model, embeddings, truth = _carphone()
    ids = np.unique(truth[0])[1:]
    labels = mask_labels(truth[0], ids, embeddings.shape[-2:])
    scores = []
    for t, maps in enumerate(propagate(embeddings, labels, protocol, model.temperature)):
        if t in FRAMES:
            found = read_masks(maps, ids, truth[0].shape, protocol.read)
            scores.append(_region_j(found == TIE, truth[t] == TIE))
    return float(np.mean(scores))


@cache
def _paper_j() -> float:
    return bow_tie_j(PAPER)


def _judge_protocol(result: Protocol, paper: Protocol) -> str:
    """Judge a protocol that should lift the bow tie with few changes and without a finer grid."""
    if not isinstance(result, Protocol):
        return f"Your function returns a {type(result).__name__}: expected a Protocol, such as replace(paper, keep_first=True)"
    changed = [field.name for field in fields(Protocol) if getattr(result, field.name) != getattr(paper, field.name)]
    changed = [name for name in changed if name != "name"]
    fixed = [name for name in changed if name in ("size", "grid", "gate")]
    if fixed:
        return f"Your protocol changes {' and '.join(fixed)}: they must stay as in the paper's protocol"
    if result.read not in ("argmax", "min_max", "balanced"):
        return f'Your protocol has read = {result.read!r}: expected "argmax", "min_max" or "balanced"'
    if len(changed) > CHANGES:
        return f"Your protocol changes {len(changed)} fields ({', '.join(changed)}): expected at most {CHANGES}"
    try:
        j = bow_tie_j(result)
    except (RuntimeError, TypeError, ValueError) as error:
        return f"With your protocol the tracker raises {type(error).__name__}: {str(error).splitlines()[0]}"
    if j < ENOUGH:
        done = f"changes {' and '.join(changed)} and" if changed else "changes nothing and"
        return f"Your protocol {done} gives the bow tie J {j:.3f} (the paper's protocol {_paper_j():.3f}): expected at least {ENOUGH}"
    return ""


protocol = Experiment("protocol", lambda paper: replace(paper, keep_first=True, top_k=5), lambda: [(PAPER,)], _judge_protocol)
