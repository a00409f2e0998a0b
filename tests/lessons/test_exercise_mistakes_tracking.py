"""Wrong solutions that students may hand in for notebooks 05 to 09: none is accepted, and each verdict helps.

They were written from the text of the exercises, without looking at the mistakes that the checks know.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from tests.support.verdicts import assert_helpful
from tinytrack.color import frames_to_lab
from tinytrack.lessons.check import EXERCISES


def follow(f, labels, t, memory=lambda n: sorted({0, n - 1}), weigh=None, feed=lambda y: y, start=None):
    """Propagate with matrix products, with parts that can be replaced."""
    weigh = weigh or (lambda q, k: (q @ k.T / t).softmax(-1))
    pixels = [frame.flatten(1).T for frame in f]
    maps = [labels.flatten(1).T if start is None else start]
    for n in range(1, len(f)):
        A = weigh(pixels[n], torch.cat([pixels[m] for m in memory(n)]))
        maps.append(feed(A @ torch.cat([maps[m] for m in memory(n)])))
    return [m.T.reshape(labels.shape) for m in maps]


def gaussians(xy, size, grid, sigma, cells=None, power=2, norm=False, root=False, factor=2):
    column = (xy[:, 0] + 0.5) * grid[1] / size[1] - 0.5
    row = (xy[:, 1] + 0.5) * grid[0] / size[0] - 0.5
    if cells:
        column, row = cells(column, row)
    y, x = np.mgrid[: grid[0], : grid[1]]
    far = (y - row[:, None, None]) ** 2 + (x - column[:, None, None]) ** 2
    far = np.sqrt(far) if root else far
    maps = np.exp(-far / (factor * sigma**power))
    return maps / (2 * np.pi * sigma**2) if norm else maps


def located(maps, size, reach=2, square=False, round_shape=False, mean=False, fix=True):
    found = []
    for heat in maps.numpy():
        top, left = np.unravel_index(heat.argmax(), heat.shape)
        y, x = np.mgrid[: heat.shape[0], : heat.shape[1]]
        near = (np.abs(y - top) <= reach) & (np.abs(x - left) <= reach)
        if round_shape:
            near = (y - top) ** 2 + (x - left) ** 2 <= reach**2
        weight = np.where(near, heat**2 if square else heat, 0)
        weight = near.astype(float) if mean else weight
        found.append((float((weight * x).sum() / weight.sum()), float((weight * y).sum() / weight.sum())))
    found = np.array(found)
    scale = np.array([size[1] / maps.shape[2], size[0] / maps.shape[1]])
    return (found + 0.5) * scale - 0.5 if fix else found * scale


def wrapped(maps, size):
    """Take the window around the peak by a slice, which is empty or cut where the peak is near the upper or left border."""
    found = []
    for heat in maps:
        top, left = divmod(int(heat.argmax()), heat.shape[1])
        part = heat[top - 2 : top + 3, left - 2 : left + 3]
        y, x = torch.meshgrid(torch.arange(part.shape[0]) + top - 2, torch.arange(part.shape[1]) + left - 2, indexing="ij")
        found.append(((part * x).sum() / part.sum(), (part * y).sum() / part.sum()))
    return (np.array(found) + 0.5) * np.array([size[1] / maps.shape[2], size[0] / maps.shape[1]]) - 0.5


def scored(p, t, reach, strict=False, hidden=np.nan, lost=0.0):
    d = np.linalg.norm(p - t, axis=1)
    ok = (d < reach if strict else d <= reach).astype(float)
    ok[np.isnan(p).any(1)] = lost
    ok[np.isnan(t).any(1)] = hidden
    return ok


def diagonal(t):
    return np.linalg.norm(np.nanmax(t, 0) - np.nanmin(t, 0))


def ab(p, t):
    return (frames_to_lab(p) - frames_to_lab(t))[1:]


def spearman(x, y, **how):
    return np.corrcoef(stats.rankdata(x, **how), stats.rankdata(y, **how))[0, 1]


def hide(picture, index, value=0.0):
    picture = picture.clone()
    picture[index] = value
    return picture


def round_trip(mask, grid, down="area", up="bilinear", threshold=0.5, at_least=False, score=None, corners=False):
    maps = torch.as_tensor(mask).double()[None, None]
    small = F.interpolate(maps, grid, mode=down)
    smooth = {"align_corners": corners} if up in ("bilinear", "bicubic") else {}
    large = F.interpolate(small, mask.shape, mode=up, **smooth)[0, 0].numpy()
    back = large >= threshold if at_least else large > threshold
    if score:
        return score(back, mask)
    union = (back | mask).sum()
    return (back & mask).sum() / union if union else 1.0


def place(x, y, shown, size, before=0.0, after=0.5):
    return (x + before) * size[1] / shown[1] - after, (y + before) * size[0] / shown[0] - after


def recent(i, back, keep):
    return sorted({i - b for b in back if i - b >= 0} | ({0} if keep else set()))


MISTAKES = {
    "references": [
        lambda i, b, k: sorted({i - n for n in b if i - n > 0} | ({0} if k else set())),
        lambda i, b, k: sorted({max(i - n, 0) for n in b} | ({0} if k else set())),
        lambda i, b, k: list(range(i)),
        lambda i, b, k: list(range(max(0, i - len(b)), i)),
        lambda i, b, k: sorted({i - n for n in b if i - n >= 0}) + ([0] if k else []),
        lambda i, b, k: sorted({i - n for n in b if i >= n} | ({1} if k else set())),
        lambda i, b, k: sorted({i + n for n in b} | ({0} if k else set())),
        lambda i, b, k: sorted(set(b) | ({0} if k else set())),
        lambda i, b, k: sorted({i - n for n in b if i >= n}) or [0],
        lambda i, b, k: sorted({i - n for n in b if i >= n} | {0}) if i > 1 else [0],
        lambda i, b, k: recent(i, b, k)[-len(b) :],
        lambda i, b, k: recent(i, b, not k),
        lambda i, b, k: recent(i - 1, b, k),
        lambda i, b, k: recent(i, b[:1], k),
        lambda i, b, k: len(recent(i, b, k)),
        lambda i, b, k: [n in recent(i, b, k) for n in range(i)],
        lambda i, b, k: [float(n) for n in recent(i, b, k)],
        lambda i, b, k: recent(i, b, k).reverse(),
        lambda i, b, k: sorted({i - n for n in b if n < i} | ({0} if k else set())),
    ],
    "propagate": [
        lambda f, c, t: follow(f, c, t, memory=lambda n: list(range(n))),
        lambda f, c, t: follow(f, c, t, memory=lambda n: sorted({max(n - 2, 0), n - 1})),
        lambda f, c, t: follow(f, c, t, weigh=lambda q, k: (q @ k.T * t).softmax(-1)),
        lambda f, c, t: follow(f, c, t, weigh=lambda q, k: (q @ k.T / t).softmax(0)),
        lambda f, c, t: follow(F.normalize(f, dim=1), c, t),
        lambda f, c, t: follow(f, c, t, weigh=lambda q, k: F.one_hot((q @ k.T).argmax(-1), len(k)).to(q)),
        lambda f, c, t: follow(f, c, t, feed=lambda y: y.softmax(-1)),
        lambda f, c, t: follow(f, c, t, weigh=lambda q, k: (-torch.cdist(q, k) / t).softmax(-1)),
        lambda f, c, t: [c] * len(f),
        lambda f, c, t: follow(f, c, t)[-1],
        lambda f, c, t: [m.flatten(1) for m in follow(f, c, t)],
        lambda f, c, t: [m.argmax(0) for m in follow(f, c, t)],
        lambda f, c, t: [m.movedim(0, -1) for m in follow(f, c, t)],
        lambda f, c, t: follow(f, c, t)[::-1],
        lambda f, c, t: [m.T.reshape(c.shape) for m in [c.flatten(1).T] * len(f)],
        lambda f, c, t: follow(f, c, t)[:-1],
        lambda f, c, t: follow(f, c, t, feed=lambda y: y / y.amax(-1, keepdim=True)),
        lambda f, c, t: follow(f.mT.reshape(f.shape), c, t),
    ],
    "read_balanced": [
        lambda m, b: (m / m.mean((1, 2), keepdim=True) * b).argmax(0),
        lambda m, b: (m / (m.mean((1, 2), keepdim=True) * b)).argmax(0),
        lambda m, b: (m - m.mean((1, 2), keepdim=True) * b).argmax(0),
        lambda m, b: (m / m.mean((1, 2), keepdim=True) ** b).argmin(0),
        lambda m, b: m / m.mean((1, 2), keepdim=True) ** b,
        lambda m, b: (m / m.mean((1, 2), keepdim=True) ** b).amax(0),
        lambda m, b: (m / m.mean(0) ** b).argmax(0),
        lambda m, b: (m / m.mean() ** b).argmax(0),
        lambda m, b: (m / m.amax((1, 2), keepdim=True) ** b).argmax(0),
        lambda m, b: (m / m.mean((1, 2), keepdim=True) ** (1 - b)).argmax(0),
        lambda m, b: (m**b / m.mean((1, 2), keepdim=True)).argmax(0),
        lambda m, b: (m / m.mean((1, 2), keepdim=True)).pow(b).argmax(0),
        lambda m, b: (m / m.mean((1, 2)) ** b).argmax(0),
        lambda m, b: (m / m.mean((1, 2), keepdim=True) ** b).argmax(0) + 1,
        lambda m, b: (m / m.mean((1, 2), keepdim=True) ** b).argmax(-1),
        lambda m, b: (m / m.mean((1, 2), keepdim=True) ** b)[1:].argmax(0) + 1,
        lambda m, b: (m / m.std((1, 2), keepdim=True) ** b).argmax(0),
        lambda m, b: (m / m.mean((1, 2), keepdim=True) ** b).argmax(0).T,
        lambda m, b: (m / m.mean((1, 2), keepdim=True) ** b).argmax(0).double(),
        lambda m, b: (m / m.mean((1, 2), keepdim=True) ** math.sqrt(b)).argmax(0),
    ],
    "joint_maps": [
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma, power=1),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma, factor=1),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma, root=True),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma, norm=True),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma, cells=lambda c, r: (r, c)),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma, cells=lambda c, r: (c.round(), r.round())),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma, cells=lambda c, r: (np.floor(c), np.floor(r))),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma, cells=lambda c, r: (c + 0.5, r + 0.5)),
        lambda xy, s, g, sigma: gaussians(xy, s[::-1], g, sigma),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma).sum(0),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma).max(0),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma).swapaxes(1, 2),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma)[:, ::-1],
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma * s[0] / g[0]),
        lambda xy, s, g, sigma: gaussians(xy, s, g, 1.0),
        lambda xy, s, g, sigma: gaussians(xy, s, s, sigma),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma) > 0.5,
        lambda xy, s, g, sigma: (gaussians(xy, s, g, sigma) == gaussians(xy, s, g, sigma).max((1, 2), keepdims=True)).astype(float),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma) / gaussians(xy, s, g, sigma).max((1, 2), keepdims=True),
        lambda xy, s, g, sigma: -gaussians(xy, s, g, sigma),
        lambda xy, s, g, sigma: gaussians(xy, s, g, sigma).transpose(1, 2, 0),
    ],
    "locate": [
        lambda m, s: located(m, s, reach=1),
        lambda m, s: located(m, s, reach=3),
        lambda m, s: located(m, s, square=True),
        lambda m, s: located(m, s, mean=True),
        lambda m, s: located(m, s, fix=False),
        lambda m, s: located(m, s, round_shape=True),
        lambda m, s: located(m, s[::-1]),
        lambda m, s: located(m, s)[:, ::-1],
        lambda m, s: located(m, s).T,
        lambda m, s: located(m, s).round(),
        lambda m, s: located(m, s).astype(int),
        lambda m, s: located(m, s)[:1].repeat(len(m), 0),
        lambda m, s: located(m.sum(0, keepdim=True), s),
        lambda m, s: located(m.softmax(-1), s),
        lambda m, s: m.flatten(1).argmax(1),
        lambda m, s: located(m, s) + 0.5,
        wrapped,
        lambda m, s: located(m, s) / np.array(s[::-1]),
        lambda m, s: located(m, s).mean(0),
    ],
    "pck": [
        lambda p, t, s: scored(p, t, 0.6 * s * diagonal(t), strict=True),
        lambda p, t, s: scored(p, t, 0.6 * s * diagonal(p)),
        lambda p, t, s: scored(p, t, 0.6 * diagonal(t)),
        lambda p, t, s: scored(p, t, 0.6 * s * np.prod(np.nanmax(t, 0) - np.nanmin(t, 0))),
        lambda p, t, s: scored(p, t, 0.6 * s * min(np.nanmax(t, 0) - np.nanmin(t, 0))),
        lambda p, t, s: scored(p, t, 0.6 * s * sum(np.nanmax(t, 0) - np.nanmin(t, 0))),
        lambda p, t, s: scored(p, t, 0.6 * s * np.linalg.norm(np.nanstd(t, 0))),
        lambda p, t, s: np.nanmean(scored(p, t, 0.6 * s * diagonal(t))),
        lambda p, t, s: scored(p, t, 0.6 * s * diagonal(t), hidden=1.0),
        lambda p, t, s: scored(p, t, 0.6 * s * diagonal(t), lost=1.0),
        lambda p, t, s: 1 - scored(p, t, 0.6 * s * diagonal(t)),
        lambda p, t, s: np.linalg.norm(p - t, axis=1),
        lambda p, t, s: np.linalg.norm(p - t, axis=1) / (0.6 * diagonal(t)),
        lambda p, t, s: scored(p, t, 0.6 * s * diagonal(t))[~np.isnan(t).any(1)],
        lambda p, t, s: np.linalg.norm(p - t, axis=1) <= 0.6 * s * diagonal(t),
        lambda p, t, s: np.where(np.isnan(t[:, 0]), np.nan, (np.abs(p - t) <= 0.6 * s * diagonal(t)).all(1)),
        lambda p, t, s: np.where(np.isnan(t[:, 0]), np.nan, ((p - t) ** 2).sum(1) <= 0.6 * s * diagonal(t)),
        lambda p, t, s: np.where(np.isnan(t[:, 0]), np.nan, np.linalg.norm(p - t) <= 0.6 * s * diagonal(t)),
        lambda p, t, s: scored(p, t, 0.6 * s * np.linalg.norm(np.ptp(t, axis=0))),
        lambda p, t, s: np.where(np.isnan(p[:, 0]), 0.0, scored(p, t, 0.6 * s * diagonal(t))),
        lambda p, t, s: scored(p, t, 0.6 * s * diagonal(t[~np.isnan(p).any(1)])),
    ],
    "rank_correlation": [
        lambda x, y: stats.kendalltau(x, y).statistic,
        lambda x, y: stats.spearmanr(x, y),
        lambda x, y: stats.spearmanr(x, y).pvalue,
        lambda x, y: spearman(x, y, method="min"),
        lambda x, y: spearman(x, y, method="max"),
        lambda x, y: spearman(x, y, method="dense"),
        lambda x, y: np.corrcoef(stats.rankdata(x), stats.rankdata(y)),
        lambda x, y: np.cov(stats.rankdata(x), stats.rankdata(y))[0, 1],
        lambda x, y: spearman(x, y) ** 2,
        lambda x, y: abs(spearman(x, y)),
        lambda x, y: np.dot(stats.rankdata(x), stats.rankdata(y)) / len(x),
        lambda x, y: 1 - 6 * ((stats.rankdata(x) - stats.rankdata(y)) ** 2).sum() / (len(x) * (len(x) ** 2 - 1)),
        lambda x, y: np.corrcoef(np.sort(x), np.sort(y))[0, 1],
        lambda x, y: 1 - spearman(x, y),
        lambda x, y: spearman(x, x),
        lambda x, y: round(spearman(x, y), 1),
        lambda x, y: np.corrcoef(np.argsort(x)[::-1], np.argsort(y)[::-1])[0, 1],
        lambda x, y: stats.rankdata(x),
    ],
    "color_error": [
        lambda p, t: ab(p, t).norm(dim=0),
        lambda p, t: ab(p, t).norm(dim=0).sum(),
        lambda p, t: ab(p, t).norm(),
        lambda p, t: ab(p, t).abs().mean(),
        lambda p, t: ab(p, t).mean(),
        lambda p, t: ab(p, t).norm(dim=0).median(),
        lambda p, t: ab(p, t).norm(dim=0).max(),
        lambda p, t: ab(p, t)[0].abs().mean(),
        lambda p, t: ab(p, t)[1].abs().mean(),
        lambda p, t: (frames_to_lab(p) - frames_to_lab(t))[:2].norm(dim=0).mean(),
        lambda p, t: np.linalg.norm(p - t, axis=-1).mean(),
        lambda p, t: ab(p, t).norm(dim=0).mean() / 255,
        lambda p, t: ab(p, t).norm(dim=1).mean(),
        lambda p, t: (frames_to_lab(p).norm(dim=0) - frames_to_lab(t).norm(dim=0)).abs().mean(),
        lambda p, t: ab(p, t).square().mean().sqrt(),
        lambda p, t: int(ab(p, t).norm(dim=0).mean()),
        lambda p, t: -ab(p, t).norm(dim=0).mean(),
        lambda p, t: ab(p, t).norm(dim=0)[0].mean(),
    ],
    "hide_channel": [
        lambda x, c: hide(x, np.s_[..., c]),
        lambda x, c: hide(x, np.s_[..., c, :]),
        lambda x, c: hide(x, np.s_[c : c + 1]),
        lambda x, c: hide(x, np.s_[:, 0, c]),
        lambda x, c: hide(x, np.s_[:1, :, c]),
        lambda x, c: hide(x, np.s_[:, :, 0]),
        lambda x, c: hide(x, np.s_[:, :, c], 1.0),
        lambda x, c: hide(x, np.s_[:, :, c], math.nan),
        lambda x, c: hide(x, np.s_[:, :, c], float(x.mean())),
        lambda x, c: hide(x, np.s_[:, :, :c]),
        lambda x, c: hide(x, np.s_[:, :, c:]),
        lambda x, c: hide(x, np.s_[:, :, c - 1]),
        lambda x, c: torch.zeros_like(x),
        lambda x, c: x[:, :, c],
        lambda x, c: x[:, :, [n for n in range(3) if n != c]],
        lambda x, c: x.index_fill_(2, torch.tensor(c), 0),
        lambda x, c: hide(x, np.s_[:, :, c])[0],
        lambda x, c: F.dropout(x, 0.33),
        lambda x, c: x * (torch.arange(3) == c).view(3, 1, 1),
    ],
    "ceiling": [
        lambda m, g: round_trip(m, g, at_least=True),
        lambda m, g: round_trip(m, g, threshold=0.4),
        lambda m, g: round_trip(m, g, threshold=0),
        lambda m, g: round_trip(m, g, down="bilinear"),
        lambda m, g: round_trip(m, g, up="bicubic"),
        lambda m, g: round_trip(m, g, score=lambda b, t: (b == t).mean()),
        lambda m, g: round_trip(m, g, score=lambda b, t: 2 * (b & t).sum() / (b.sum() + t.sum())),
        lambda m, g: round_trip(m, g, score=lambda b, t: (b & t).sum() / t.sum()),
        lambda m, g: round_trip(m, g, score=lambda b, t: b),
        lambda m, g: round_trip(m, g[::-1]),
        lambda m, g: 1 - round_trip(m, g),
        lambda m, g: 100 * round_trip(m, g),
        lambda m, g: F.adaptive_avg_pool2d(torch.as_tensor(m).double()[None, None], g)[0, 0].numpy(),
        lambda m, g: F.adaptive_avg_pool2d(torch.as_tensor(m)[None, None], g),
        lambda m, g: (F.adaptive_max_pool2d(torch.as_tensor(m).double()[None, None], g)).mean(),
        lambda m, g: round(float(round_trip(m, g)), 1),
        lambda m, g: round_trip(m, g, up="nearest", at_least=True),
    ],
    "click_to_pixel": [
        lambda x, y, s, z: place(x, y, s, z, before=-0.5, after=0),
        lambda x, y, s, z: place(x, y, s, z, before=-0.5, after=-0.5),
        lambda x, y, s, z: tuple(int(v) for v in place(x, y, s, z, after=0)),
        lambda x, y, s, z: tuple(round(v) for v in place(x, y, s, z)),
        lambda x, y, s, z: (x - 0.5, y - 0.5),
        lambda x, y, s, z: (x * z[1] / s[1] - 0.5, y * z[1] / s[1] - 0.5),
        lambda x, y, s, z: (x / s[1], y / s[0]),
        lambda x, y, s, z: (x * (z[1] - 1) / (s[1] - 1), y * (z[0] - 1) / (s[0] - 1)),
        lambda x, y, s, z: x * z[1] / s[1] - 0.5,
        lambda x, y, s, z: place(x, y, s, z, after=-0.5),
        lambda x, y, s, z: place(x, y, s, z, after=1),
        lambda x, y, s, z: tuple(max(v, 0) for v in place(x, y, s, z)),
        lambda x, y, s, z: (x * z[0] / s[1] - 0.5, y * z[1] / s[0] - 0.5),
        lambda x, y, s, z: (x * z[1] // s[1] - 0.5, y * z[0] // s[0] - 0.5),
        lambda x, y, s, z: place(y, x, s, z),
        lambda x, y, s, z: f"({x * z[1] / s[1]}, {y})",
        lambda x, y, s, z: print(end=""),
    ],
}

PLANTED = [pytest.param(name, slip, id=f"{name}-{n}") for name, slips in MISTAKES.items() for n, slip in enumerate(slips)]


@pytest.mark.parametrize("name, function", PLANTED)
def test_a_mistake_is_named_or_shown(name, function):
    assert_helpful(EXERCISES[name], function)


def test_there_are_about_ten_for_each_exercise():
    assert min(map(len, MISTAKES.values())) >= 10
    assert np.mean([len(slips) for slips in MISTAKES.values()]) > 12
