"""Wrong solutions that students may hand in for notebooks 00 to 04: none is accepted, and each verdict helps.

They were written from the text of the exercises, without looking at the mistakes that the checks know.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.support.verdicts import assert_helpful
from tinytrack.color import frames_to_lab, lab_to_frames
from tinytrack.lessons.check import EXERCISES


def lightness_only(frame, change):
    lab = frames_to_lab(frame)
    return lab_to_frames(change(lab))


def gray_as(frame, weights, dtype=np.uint8):
    gray = (frame.astype(float) * weights).sum(-1)
    return np.repeat(gray[..., None], 3, axis=-1).astype(dtype)


def set_channel(lab, channel, value):
    lab = lab.clone()
    lab[channel] = value
    return lab


def nearest(centers, ab, measure):
    """The class with the smallest measure of the difference (..., K, 2, H, W)."""
    return measure(ab.unsqueeze(-4) - centers[:, :, None, None]).argmin(-3)


def first_only(centers, ab):
    """Classes of the first item of a batch for all items."""
    ids = nearest(centers, ab, lambda d: d.square().sum(-3))
    return ids[:1].expand_as(ids) if ids.ndim == 3 else ids


def maps_of(ids, k):
    return F.one_hot(ids, k).movedim(-1, 0).double()


def shares(ids, k, stride, way):
    """Apply ``way`` to the block of one-hot maps (K, stride, stride) of each cell."""
    maps = maps_of(ids, k)
    h, w = ids.shape[0] // stride, ids.shape[1] // stride
    rows = [
        torch.stack([way(maps[:, y * stride : (y + 1) * stride, x * stride : (x + 1) * stride]) for x in range(w)], -1) for y in range(h)
    ]
    return torch.stack(rows, -2)


def field(layers, start=1, jump=1, grow=lambda k, d: (k - 1) * d, skip_last=False, add=False):
    size = start
    for n, (k, s, d) in enumerate(layers):
        size += grow(k, d) * jump
        if not (skip_last and n == len(layers) - 1):
            jump = jump + s if add else jump * s
    return size


def endless_field(layers):
    size, n = 1, 0
    while n < len(layers):
        size += layers[n][0] - 1
    return size


def logits_of(j, i):
    return torch.einsum("bmd,bnd->bmn", j, i)


def grid(h, w):
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return y.flatten(), x.flatten()


def window(h, w, test):
    y, x = grid(h, w)
    return test((y[:, None] - y[None]), (x[:, None] - x[None]))


def swapped_grid(h, w, r):
    x, y = torch.meshgrid(torch.arange(w), torch.arange(h), indexing="ij")
    y, x = y.flatten(), x.flatten()
    return ((y[:, None] - y).abs() <= r) & ((x[:, None] - x).abs() <= r)


def keep(logits, k, fill=-math.inf, dim=-1):
    best = logits.topk(k, dim=dim)
    return torch.full_like(logits, fill).scatter(dim, best.indices, best.values)


def true_p(copied, labels):
    return copied.gather(-1, labels[..., None])[..., 0]


def even(reference, target, k, **change):
    shares = torch.bincount(reference.flatten(), minlength=k).double() / reference.numel()
    return -shares[target.flatten()].log().mean()


def reference_shares(reference, k):
    return torch.bincount(reference.flatten(), minlength=k).double() / reference.numel()


def generator_without_end(layers):
    while True:
        yield 1


MISTAKES = {
    "to_gray": [
        lambda x: gray_as(x, [0.2126, 0.7152, 0.0722]),
        lambda x: gray_as(x, [0, 1, 0]),
        lambda x: gray_as(x, [1 / 3, 1 / 3, 1 / 3]),
        lambda x: x.max(-1, keepdims=True).repeat(3, -1),
        lambda x: ((x.max(-1).astype(int) + x.min(-1)) // 2)[..., None].repeat(3, -1).astype(np.uint8),
        lambda x: lightness_only(x, lambda lab: set_channel(set_channel(lab, 0, 50), 1, 0)),
        lambda x: frames_to_lab(x)[0],
        lambda x: frames_to_lab(x)[0].numpy()[..., None].repeat(3, -1),
        lambda x: (frames_to_lab(x)[0].numpy() * 2.55).round()[..., None].repeat(3, -1).astype(np.uint8),
        lambda x: lightness_only(x, lambda lab: set_channel(set_channel(lab, 1, 0), 2, 0)) / 255,
        lambda x: lightness_only(x, lambda lab: set_channel(set_channel(lab, 1, 128), 2, 128)),
        lambda x: 255 - lightness_only(x, lambda lab: set_channel(set_channel(lab, 1, 0), 2, 0)),
        lambda x: lightness_only(x, lambda lab: set_channel(set_channel(lab, 1, 0), 2, 0)).transpose(1, 0, 2),
        lambda x: lightness_only(x, lambda lab: set_channel(set_channel(lab, 1, 0), 2, 0))[..., 0],
        lambda x: print(end=""),
    ],
    "nearest_color": [
        lambda c, ab: nearest(c, ab, lambda d: d.abs().amax(-3)),
        lambda c, ab: nearest(c, ab, lambda d: d.square().sum(-3)) + 1,
        lambda c, ab: c[nearest(c, ab, lambda d: d.square().sum(-3))],
        lambda c, ab: nearest(c.flip(1), ab, lambda d: d.square().sum(-3)),
        lambda c, ab: nearest(c, ab, lambda d: d.square().sum(-3)).transpose(-1, -2),
        lambda c, ab: F.one_hot(nearest(c, ab, lambda d: d.square().sum(-3)), len(c)).movedim(-1, -3),
        lambda c, ab: (ab.unsqueeze(-4) - c[:, :, None, None]).square().sum(-3),
        lambda c, ab: (ab.unsqueeze(-4) - c[:, :, None, None]).square().sum(-3).min(-3),
        lambda c, ab: (ab.unsqueeze(-4) * c[:, :, None, None]).sum(-3).argmax(-3),
        lambda c, ab: (ab.unsqueeze(-4) - c[:, :, None, None]).square().sum(-3).argmin(-1),
        lambda c, ab: torch.cdist(ab.movedim(-3, -1).reshape(-1, 2), c).argmin(-1),
        lambda c, ab: (ab - c[:, :, None, None]).square().sum(1).argmin(0),
        first_only,
        lambda c, ab: "nearest",
        lambda c, ab: nearest(c, ab, lambda d: d.square().sum(-3)).double(),
        lambda c, ab: nearest(c, ab, lambda d: d.square().sum(-3)).unsqueeze(-3),
    ],
    "shrink_labels": [
        lambda ids, k, s: maps_of(ids, k),
        lambda ids, k, s: F.avg_pool2d(maps_of(ids, k), s).movedim(0, -1),
        lambda ids, k, s: F.avg_pool2d(maps_of(ids, k), s).round(),
        lambda ids, k, s: F.avg_pool2d(maps_of(ids, k), s).argmax(0),
        lambda ids, k, s: F.avg_pool2d(maps_of(ids, k), s, stride=1),
        lambda ids, k, s: F.avg_pool2d(maps_of(ids, k + 1), s),
        lambda ids, k, s: F.avg_pool2d(maps_of(ids, int(ids.max()) + 1), s),
        lambda ids, k, s: F.avg_pool2d(maps_of(ids, k), 2),
        lambda ids, k, s: F.avg_pool2d(maps_of(ids, k), s).softmax(0),
        lambda ids, k, s: F.interpolate(maps_of(ids, k)[None], scale_factor=1 / s, mode="bilinear")[0],
        lambda ids, k, s: shares(ids, k, s, lambda b: b.mean((1, 2)) * s),
        lambda ids, k, s: shares(ids, k, s, lambda b: b[:, 0, 0]),
        lambda ids, k, s: shares(ids, k, s, lambda b: b[:, -1, -1]),
        lambda ids, k, s: F.one_hot(F.avg_pool2d(maps_of(ids, k), s).argmax(0), k).movedim(-1, 0),
        lambda ids, k, s: F.avg_pool2d(F.one_hot(ids, k).movedim(-1, 0).bool(), s),
        lambda ids, k, s: F.avg_pool2d(F.one_hot(ids, k).double(), s),
        lambda ids, k, s: F.avg_pool2d(ids[None].double(), s),
    ],
    "receptive_field": [
        lambda layers: field(layers, start=0),
        lambda layers: field(layers, grow=lambda k, d: k),
        lambda layers: field(layers, grow=lambda k, d: k - d),
        lambda layers: field(layers, grow=lambda k, d: (k + d) - 1),
        lambda layers: field(layers[::-1]),
        lambda layers: field(layers, add=True),
        lambda layers: sum(k for k, _, _ in layers),
        lambda layers: math.prod(s for _, s, _ in layers),
        lambda layers: field(layers) ** 2,
        lambda layers: field(layers[:-1]),
        lambda layers: max(k * d for k, s, d in layers),
        lambda layers: [field(layers[:n]) for n in range(1, len(layers) + 1)],
        lambda layers: str(field(layers)),
        lambda layers: (field(layers), math.prod(s for _, s, _ in layers)),
        lambda layers: field([(k, s, 1) for k, s, d in layers]),
        lambda layers: field([(3, s, d) for k, s, d in layers]),
    ],
    "cell_center": [
        lambda i, s: s * i + s // 2,
        lambda i, s: s * i + (s - 1) // 2,
        lambda i, s: i / s + (s - 1) / 2,
        lambda i, s: s * (i - 0.5),
        lambda i, s: s * i + s / 2 + 0.5,
        lambda i, s: s * i - (s - 1) / 2,
        lambda i, s: (s - 1) / 2,
        lambda i, s: s * i + 1.5,
        lambda i, s: round(s * i + (s - 1) / 2),
        lambda i, s: i + (s - 1) / 2,
        lambda i, s: f"{s * i + (s - 1) / 2}",
        lambda i, s: (s * i, s * i + s - 1),
        lambda i, s: print(s * i + (s - 1) / 2, end=""),
    ],
    "affinity": [
        lambda j, i, t: (logits_of(j, i) / math.sqrt(j.shape[-1])).softmax(-1),
        lambda j, i, t: (logits_of(j, i) / t / math.sqrt(j.shape[-1])).softmax(-1),
        lambda j, i, t: (-torch.cdist(j, i) / t).softmax(-1),
        lambda j, i, t: (-(torch.cdist(j, i) ** 2) / t).softmax(-1),
        lambda j, i, t: logits_of(j, i) / logits_of(j, i).sum(-1, keepdim=True),
        lambda j, i, t: logits_of(j, i).softmax(-1) / t,
        lambda j, i, t: (logits_of(j, i) - t).softmax(-1),
        lambda j, i, t: (-logits_of(j, i) / t).softmax(-1),
        lambda j, i, t: (logits_of(j, j) / t).softmax(-1),
        lambda j, i, t: (logits_of(j, i)[0] / t).softmax(-1),
        lambda j, i, t: (logits_of(j, i)[:1] / t).softmax(-1).expand(len(j), -1, -1),
        lambda j, i, t: (logits_of(j, i) / t).softmax(-1).round(),
        lambda j, i, t: (logits_of(j, i) / t).sigmoid(),
        lambda j, i, t: F.gumbel_softmax(logits_of(j, i) / t, hard=True),
        lambda j, i, t: (j @ i / t).softmax(-1),
        lambda j, i, t: F.one_hot(logits_of(j, i).argmax(-1), i.shape[1]).double(),
        lambda j, i, t: (logits_of(j, i) / t).softmax(-1).sum(-1),
        lambda j, i, t: (logits_of(j, i) / t).exp() / (logits_of(j, i) / t).exp().sum(),
        lambda j, i, t: (logits_of(j, i) / t).exp() / (logits_of(j, i) / t).exp().sum(-1),
        lambda j, i, t: (logits_of(j, i) / t).softmax(-1).tolist().sort(),
    ],
    "window": [
        lambda h, w, r: window(h, w, lambda y, x: (y.abs() <= r) | (x.abs() <= r)),
        lambda h, w, r: window(h, w, lambda y, x: y.abs() <= r),
        lambda h, w, r: window(h, w, lambda y, x: x.abs() <= r),
        lambda h, w, r: window(h, w, lambda y, x: (y <= r) & (x <= r)),
        lambda h, w, r: window(h, w, lambda y, x: (y.abs() <= r) & (x.abs() <= r)).float(),
        lambda h, w, r: window(h, w, lambda y, x: (y.abs() <= r) & (x.abs() <= r)).long(),
        lambda h, w, r: window(h, w, lambda y, x: (y.abs() <= r / 2) & (x.abs() <= r / 2)),
        lambda h, w, r: window(h, w, lambda y, x: (y.abs() <= 2 * r) & (x.abs() <= 2 * r)),
        lambda h, w, r: window(h, w, lambda y, x: (y.abs() <= r) & (x.abs() < r)),
        lambda h, w, r: window(h, w, lambda y, x: (y.abs() <= r) & (x.abs() <= r)).view(h, w, h, w),
        lambda h, w, r: window(h, w, lambda y, x: (y.abs() <= r) & (x.abs() <= r)).fill_diagonal_(False),
        lambda h, w, r: window(h, w, lambda y, x: (y.abs() <= r) & (x.abs() <= r)).triu(),
        lambda h, w, r: window(h, w, lambda y, x: y**2 + x**2 < r**2),
        swapped_grid,
        lambda h, w, r: window(h, h, lambda y, x: (y.abs() <= r) & (x.abs() <= r)),
        lambda h, w, r: window(h, w, lambda y, x: torch.maximum(y.abs(), x.abs())),
        lambda h, w, r: window(h, w, lambda y, x: (y.abs() <= r) & (x.abs() <= r)).nonzero(),
        lambda h, w, r: window(h, w, lambda y, x: (y.abs() <= 1) & (x.abs() <= 1)),
    ],
    "keep_top_k": [
        lambda x, k: keep(x, k + 1),
        lambda x, k: keep(x, k - 1),
        lambda x, k: keep(x, 1),
        lambda x, k: keep(x, k, -1e9),
        lambda x, k: keep(x, k, math.nan),
        lambda x, k: keep(x, k, math.inf),
        lambda x, k: keep(x.abs(), k),
        lambda x, k: keep(x.flatten(), k).view_as(x),
        lambda x, k: x.masked_fill(x <= x.topk(k).values[..., -1:], -math.inf),
        lambda x, k: x.topk(k).indices,
        lambda x, k: x.topk(k),
        lambda x, k: torch.zeros_like(x, dtype=torch.bool).scatter(-1, x.topk(k).indices, True),
        lambda x, k: x.sort(-1, descending=True).values,
        lambda x, k: torch.where(x > 0, x, -math.inf),
        lambda x, k: keep(x[:1], k).expand_as(x),
        lambda x, k: x.scatter(-1, x.topk(k).indices, -math.inf),
        lambda x, k: x.masked_fill(x < x.topk(k).values[..., -1:].mean(), -math.inf),
    ],
    "color_loss": [
        lambda y, c: -(true_p(y, c) + 0.1).log().mean(),
        lambda y, c: -true_p(y, c).log().mean(-1),
        lambda y, c: -true_p(y, c).log().mean(0),
        lambda y, c: -true_p(y, c).log().sum() / len(y),
        lambda y, c: -y.log().mean(),
        lambda y, c: -y.amax(-1).log().mean(),
        lambda y, c: (-(y * y.log()).sum(-1)).mean(),
        lambda y, c: F.mse_loss(y, F.one_hot(c, y.shape[-1]).double()),
        lambda y, c: (y.argmax(-1) != c).double().mean(),
        lambda y, c: -true_p(y[:1], c[:1]).log().mean(),
        lambda y, c: -true_p(y, c).log().mean() / math.log(y.shape[-1]),
        lambda y, c: -true_p(y, c).log10().mean(),
        lambda y, c: -true_p(y, c).log().median(),
        lambda y, c: -(F.one_hot(c, y.shape[-1]) * y.log()).mean(),
        lambda y, c: -true_p(y.softmax(-1), c).log().mean(),
        lambda y, c: F.nll_loss(y.flatten(0, 1), c.flatten()),
        lambda y, c: float(-true_p(y, c).log().mean()).__round__(1),
        lambda y, c: F.binary_cross_entropy(y, F.one_hot(c, y.shape[-1]).double()),
        lambda y, c: -(true_p(y, c).log() * true_p(y, c)).mean(),
        lambda y, c: (-true_p(y, c).log()).exp().mean(),
        lambda y, c: F.cross_entropy(y, c),
    ],
    "even_pointer_loss": [
        lambda r, t, k: -reference_shares(r, k)[t].log().sum(),
        lambda r, t, k: -reference_shares(r, k)[t].log(),
        lambda r, t, k: -reference_shares(r, k).log().mean(),
        lambda r, t, k: -reference_shares(r, k)[t].mean().log(),
        lambda r, t, k: 1 - reference_shares(r, k)[t].mean(),
        lambda r, t, k: reference_shares(r, k)[t].mean(),
        lambda r, t, k: math.log(r.numel()),
        lambda r, t, k: -math.log(1 / k) * t.numel(),
        lambda r, t, k: -torch.bincount(r.flatten(), minlength=k).double()[t].log().mean(),
        lambda r, t, k: -(reference_shares(r, k).softmax(0))[t].log().mean(),
        lambda r, t, k: -reference_shares(r, k)[t.unique()].log().mean(),
        lambda r, t, k: -(torch.bincount(r.flatten(), minlength=k) + 1.0).div(r.numel() + k)[t].log().mean(),
        lambda r, t, k: -reference_shares(r, k)[t].log10().mean(),
        lambda r, t, k: -reference_shares(torch.cat([r.flatten(), t.flatten()]), k)[t].log().mean(),
        lambda r, t, k: -(torch.bincount(r) / len(r))[t].log().mean(),
        lambda r, t, k: float(-reference_shares(r, k)[t].max().log()),
    ],
}

PLANTED = [pytest.param(name, slip, id=f"{name}-{n}") for name, slips in MISTAKES.items() for n, slip in enumerate(slips)]


@pytest.mark.parametrize("name, function", PLANTED)
def test_a_mistake_is_named_or_shown(name, function):
    assert_helpful(EXERCISES[name], function)


@pytest.mark.parametrize("function", [endless_field, generator_without_end])
def test_what_never_ends_is_stopped(function, monkeypatch):
    monkeypatch.setattr("tinytrack.lessons.running.SECONDS", 1)
    assert EXERCISES["receptive_field"](function).status == "wrong"


def test_numbers_without_end_are_not_read_to_the_end():
    import itertools

    assert "yields" in EXERCISES["receptive_field"](lambda layers: itertools.count()).message


def test_there_are_about_ten_for_each_exercise():
    assert min(map(len, MISTAKES.values())) >= 10
    assert np.mean([len(slips) for slips in MISTAKES.values()]) > 12
