"""Notebook exercises: every correct solution passes, and each common mistake gets the message that names it.

The mistakes are written here again, the way a reader would make them from the equations. They share no code with ``check.py``.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from tests.support.helpers import assert_one_sentence
from tinytrack import draw, label_maps, loss, pointer, propagate
from tinytrack.color import Palette, frames_to_lab, lab_to_frames
from tinytrack.evaluation import metrics
from tinytrack.evaluation import statistics as analysis
from tinytrack.lessons.check import EXERCISES
from tinytrack.lessons.exercise import Exercise
from tinytrack.propagate import Protocol

# ---- 00_tour


def gray_rgb(gray):
    """Turn a gray picture (H, W) into uint8 RGB (H, W, 3)."""
    return np.stack([np.round(gray).astype(np.uint8)] * 3, axis=-1)


def without(frame, *channels):
    """The frame with the given Lab channels set to 0."""
    lab = frames_to_lab(frame)
    for channel in channels:
        lab[channel] = 0
    return lab_to_frames(lab)


# ---- 01_color_quantization


def nearest_by_loops(centers, ab):
    flat = ab.movedim(-3, -1).reshape(-1, 2)
    nearest = [min(range(len(centers)), key=lambda k: float((color - centers[k]).square().sum())) for color in flat]
    return torch.tensor(nearest).view(*ab.shape[:-3], *ab.shape[-2:])


def gaps(centers, ab):
    """Each colour minus each centre, as (..., K, 2, H, W)."""
    return ab[..., None, :, :, :] - centers[:, :, None, None]


def ones_where(ids, classes):
    return torch.stack([ids == n for n in classes], dim=-3)


def shrunk_by_loops(ids, k, stride):
    h, w = ids.shape[0] // stride, ids.shape[1] // stride
    shares = torch.zeros(k, h, w)
    for y in range(h * stride):
        for x in range(w * stride):
            shares[ids[y, x], y // stride, x // stride] += 1 / stride**2
    return shares


def mean_number(ids, k, stride):
    numbers = torch.nn.AvgPool2d(stride)(ids[None].float())[0].round()
    return ones_where(numbers, range(k))


# ---- 02_embedding_net


def field_from_the_end(layers):
    field = 1
    for kernel, stride, dilation in reversed(layers):
        field = (field - 1) * stride + dilation * (kernel - 1) + 1
    return field


def field_without_strides(layers):
    return 1 + sum((kernel - 1) * dilation for kernel, _, dilation in layers)


def field_without_dilations(layers):
    field, step = 1, 1
    for kernel, stride, _ in layers:
        field += (kernel - 1) * step
        step *= stride
    return field


def field_of_whole_kernels(layers):
    field, step = 1, 1
    for kernel, stride, dilation in layers:
        field += kernel * dilation * step
        step *= stride
    return field


def field_with_stride_first(layers):
    field, step = 1, 1
    for kernel, stride, dilation in layers:
        step *= stride
        field += (kernel - 1) * dilation * step
    return field


# ---- 03_pointer_copy


def pointed_by_loops(f_j, f_i, temperature):
    A = torch.zeros(len(f_j), f_j.shape[1], f_i.shape[1])
    for b in range(len(f_j)):
        for j in range(f_j.shape[1]):
            row = [math.exp(float(f_j[b, j] @ f_i[b, i]) / temperature) for i in range(f_i.shape[1])]
            A[b, j] = torch.tensor([v / sum(row) for v in row])
    return A


def softmax_over_all(f_j, f_i, temperature):
    weights = torch.exp(f_j @ f_i.mT / temperature)
    return weights / weights.sum(dim=(1, 2), keepdim=True)


def not_divided(f_j, f_i, temperature):
    return torch.exp(torch.einsum("bjd,bid->bji", f_j, f_i) / temperature)


def of_unit_length(f_j, f_i, temperature):
    f_j, f_i = f_j / f_j.norm(dim=-1, keepdim=True), f_i / f_i.norm(dim=-1, keepdim=True)
    return torch.softmax(f_j @ f_i.mT / temperature, dim=2)


def window_of(allowed):
    """Build a window function with loops from the rule ``allowed(dy, dx, radius)`` for two pixels."""

    def window(h, w, radius):
        answer = torch.zeros(h * w, h * w, dtype=torch.bool)
        for j in range(h * w):
            for i in range(h * w):
                answer[j, i] = allowed(abs(j // w - i // w), abs(j % w - i % w), radius)
        return answer

    return window


def window_by_columns(h, w, radius):
    """A window that numbers its pixels by column: pixel number = column * h + row."""
    answer = torch.zeros(h * w, h * w, dtype=torch.bool)
    for j in range(h * w):
        for i in range(h * w):
            answer[j, i] = abs(j % h - i % h) <= radius and abs(j // h - i // h) <= radius
    return answer


def window_of_numbers(h, w, radius):
    number = torch.arange(h * w)
    return torch.abs(number[None, :] - number[:, None]) <= radius


def kept(logits, k, rest=-math.inf, dim=-1, largest=True):
    answer = torch.full_like(logits, rest)
    best = logits.topk(k, dim=dim, largest=largest)
    return answer.scatter(dim, best.indices, best.values)


def all_above_the_kth(logits, k):
    threshold = logits.sort(dim=-1, descending=True).values[..., k - 1 : k]
    return torch.where(logits >= threshold, logits, -math.inf)


# ---- 04_training


def probability(copied, labels):
    """Probability (B, M) of the true classes."""
    return (copied * F.one_hot(labels, copied.shape[-1])).sum(-1)


def loss_by_loops(copied, labels):
    losses = [-math.log(copied[b, j, labels[b, j]]) for b in range(len(labels)) for j in range(labels.shape[1])]
    return sum(losses) / len(losses)


def share(frame, k):
    return float((frame == k).sum() / frame.numel())


def evenly_by_loops(reference, target, k):
    losses = [-math.log(share(reference, label)) for label in target.flatten().tolist()]
    return sum(losses) / len(losses)


def entropy(frame, k):
    shares = [share(frame, n) for n in range(k)]
    return -sum(p * math.log(p) for p in shares if p > 0)


# ---- 05_track_masks


def j_by_sets(p, t):
    p, t = set(np.flatnonzero(p)), set(np.flatnonzero(t))
    return len(p & t) / len(p | t) if p | t else 1


def references_by_a_loop(index, back, keep_first):
    return [past for past in range(index) if index - past in back or (keep_first and past == 0)]


def never_the_first(index, back, keep_first):
    return sorted(index - k for k in back if index - k >= 0)


def always_the_first(index, back, keep_first):
    return sorted({0} | {index - k for k in back if index - k >= 0})


def before_the_first(index, back, keep_first):
    past = [index - k for k in back]
    return sorted(past + [0] if keep_first and 0 not in past else past)


def newest_first(index, back, keep_first):
    past = [index - k for k in back if index - k >= 0]
    return past + [0] if keep_first and 0 not in past else past


def first_twice(index, back, keep_first):
    past = [index - k for k in reversed(back) if index - k >= 0]
    return [0] + past if keep_first else past


def carried(f, labels, temperature, memory=lambda t: sorted({0, t - 1}), feed=lambda y: y):
    """Propagate frame by frame and pixel by pixel.

    ``memory(t)`` lists the reference frames of frame ``t``. ``feed`` maps a prediction to what is stored for later frames.
    """
    h, w = labels.shape[1:]
    maps = [labels]
    for t in range(1, len(f)):
        y = torch.zeros_like(labels)
        for row in range(h):
            for column in range(w):
                scores = torch.cat([torch.einsum("d,dhw->hw", f[t, :, row, column], f[s]).flatten() for s in memory(t)])
                weights = torch.softmax(scores / temperature, dim=0)
                y[:, row, column] = torch.cat([maps[s].flatten(1) for s in memory(t)], dim=1) @ weights
        maps.append(feed(y))
    return maps


def hardened(y):
    return torch.stack([(y.argmax(0) == k).to(y) for k in range(len(y))])


def balanced_by_logarithms(maps, balance):
    return torch.argmax(maps.log() - balance * maps.mean(dim=(1, 2)).log()[:, None, None], dim=0)


def prior(maps):
    return maps.mean(dim=(1, 2))[:, None, None]


def stretched(maps, balance):
    low, high = (end[:, None, None] for end in (maps.flatten(1).min(1).values, maps.flatten(1).max(1).values))
    return ((maps - low) / (high - low)).argmax(0)


# ---- 06_track_pose


def blobs(xy, size, grid, sigma, half=0.5, width=lambda sigma: 2 * sigma**2, swap=False):
    """Heat maps, computed with loops."""
    maps = torch.zeros(len(xy), *grid)
    for n, (x, y) in enumerate(xy):
        x, y = (y, x) if swap else (x, y)
        column = (x + half) * grid[1] / size[1] - half
        row = (y + half) * grid[0] / size[0] - half
        for r in range(grid[0]):
            for c in range(grid[1]):
                maps[n, r, c] = math.exp(-((r - row) ** 2 + (c - column) ** 2) / width(sigma))
    return maps


def blobs_that_sum_to_one(xy, size, grid, sigma):
    maps = blobs(xy, size, grid, sigma)
    return torch.stack([heat / heat.sum() for heat in maps])


def peaks(maps, reach):
    """(x, y) in cells: the centre of mass near the peak of each map, computed with loops."""
    places = []
    for heat in maps:
        top, left = divmod(int(heat.argmax()), heat.shape[1])
        mass = x = y = 0.0
        for r in range(max(0, top - reach), min(heat.shape[0], top + reach + 1)):
            for c in range(max(0, left - reach), min(heat.shape[1], left + reach + 1)):
                mass, x, y = mass + float(heat[r, c]), x + c * float(heat[r, c]), y + r * float(heat[r, c])
        places.append((x / mass, y / mass))
    return places


def located(maps, size, reach=2, half=0.5):
    scale_x, scale_y = size[1] / maps.shape[2], size[0] / maps.shape[1]
    return [((x + half) * scale_x - half, (y + half) * scale_y - half) for x, y in peaks(maps, reach)]


def joints_by_loops(predicted, true, reach, lost=0.0, hidden=math.nan):
    answer = []
    for (px, py), (tx, ty) in zip(predicted, true, strict=True):
        if math.isnan(tx):
            answer.append(hidden)
        elif math.isnan(px):
            answer.append(lost)
        else:
            answer.append(float(math.hypot(px - tx, py - ty) <= reach))
    return answer


def box(true):
    """Width and height of the box around the visible joints."""
    return np.nanmax(true, axis=0) - np.nanmin(true, axis=0)


def diagonal(true):
    return math.hypot(*box(true))


# ---- 07_when_it_breaks


def pearson(x, y):
    return stats.pearsonr(x, y).statistic


def ranked_without_ties(x, y):
    return pearson(stats.rankdata(x, method="ordinal"), stats.rankdata(y, method="ordinal"))


def ab_by_loops(p, t):
    p, t = frames_to_lab(p), frames_to_lab(t)
    h, w = p.shape[1:]
    return sum(math.hypot(p[1, r, c] - t[1, r, c], p[2, r, c] - t[2, r, c]) for r in range(h) for c in range(w)) / (h * w)


def with_lightness(p, t):
    return (frames_to_lab(p) - frames_to_lab(t)).norm(dim=0).mean()


def ab_gap(p, t):
    """Difference of the ab channels, as (2, H, W)."""
    return frames_to_lab(p)[1:] - frames_to_lab(t)[1:]


def rgb_distance(p, t):
    return np.mean(np.sqrt(((p.astype(np.float64) - t.astype(np.float64)) ** 2).sum(-1)))


# ---- 08_what_came_next


def hidden_by_a_product(picture, channel):
    keep = torch.ones(3)
    keep[channel] = 0
    return picture * keep[:, None, None]


def shown_alone(picture, channel):
    answer = torch.zeros_like(picture)
    answer[:, :, channel] = picture[:, :, channel]
    return answer


def hidden_frame(picture, channel):
    answer = picture.clone()
    answer[:, channel] = 0
    return answer


def cut_out(picture, channel):
    return picture[:, :, [c for c in range(3) if c != channel]]


def there_and_back(mask, grid, down="area", up="bilinear"):
    """J between a mask and the same mask after downsampling to the grid and upsampling again."""
    maps = torch.tensor(mask).double()[None, None]
    small = F.interpolate(maps, size=grid, mode=down)
    return j_by_sets(F.interpolate(small, size=mask.shape, mode=up)[0, 0].numpy() > 0.5, mask)


def corner_pixels(mask, grid):
    """Downsample by keeping the first pixel of each cell."""
    rows = [r * mask.shape[0] // grid[0] for r in range(grid[0])]
    columns = [c * mask.shape[1] // grid[1] for c in range(grid[1])]
    small = torch.tensor(mask[rows][:, columns]).double()
    return j_by_sets(F.interpolate(small[None, None], size=mask.shape, mode="bilinear")[0, 0].numpy() > 0.5, mask)


# ---- 09_your_video


def scaled(x, y, shown, size, half=0.5):
    (shown_h, shown_w), (h, w) = shown, size
    return x / shown_w * w - half, y / shown_h * h - half


# ---- the tables

COMPARED = {name: exercise for name, exercise in EXERCISES.items() if isinstance(exercise, Exercise)}

LIBRARY = {
    "to_gray": draw.to_gray,
    "nearest_color": lambda centers, ab: Palette(centers).hard(ab),
    "affinity": pointer.affinity,
    "window": pointer.window,
    "keep_top_k": pointer.keep_top_k,
    "color_loss": loss.color_loss,
    "references": lambda index, back, keep_first: Protocol("mine", None, back, keep_first).references(index),
    "propagate": lambda f, labels, temperature: propagate.propagate(f, labels, Protocol("mine", None, (1,), True), temperature),
    "read_balanced": lambda maps, balance: label_maps.read_masks(maps, np.arange(1, len(maps)), maps.shape[1:], "balanced", balance),
    "joint_maps": label_maps.joint_maps,
    "locate": lambda maps, size: label_maps.locate_joints(maps, size)[0],
    "pck": metrics.pck,
    "rank_correlation": analysis.rank_correlation,
    "color_error": metrics.color_error,
}
"""Name of the exercise -> the library's function that solves it. Exercises with a judge have their own tests, by notebook."""

BY_HAND = {
    "to_gray": lambda frame: without(frame, 1, 2),
    "nearest_color": nearest_by_loops,
    "shrink_labels": shrunk_by_loops,
    "receptive_field": field_from_the_end,
    "cell_center": lambda index, stride: sum(range(index * stride, (index + 1) * stride)) / stride,
    "affinity": pointed_by_loops,
    "window": window_of(lambda dy, dx, radius: max(dy, dx) <= radius),
    "color_loss": loss_by_loops,
    "even_pointer_loss": evenly_by_loops,
    "references": references_by_a_loop,
    "propagate": carried,
    "read_balanced": balanced_by_logarithms,
    "joint_maps": blobs,
    "locate": located,
    "pck": lambda p, t, s: joints_by_loops(p, t, s * 0.6 * diagonal(t)),
    "rank_correlation": lambda x, y: stats.spearmanr(x, y).statistic,
    "color_error": ab_by_loops,
    "hide_channel": hidden_by_a_product,
    "ceiling": there_and_back,
    "click_to_pixel": scaled,
}
"""Name of the exercise -> another correct solution, mostly written with plain loops."""

MISTAKES = {
    "to_gray": [
        (lambda frame: gray_rgb(frame.mean(axis=-1)), "mean of red, green and blue"),
        (lambda frame: without(frame, 0), "lightness is gone"),
        (lambda frame: without(frame, 1), "sets only a to 0"),
        (lambda frame: without(frame, 2), "sets only b to 0"),
        (lambda frame: frame.copy(), "comes back in colour"),
    ],
    "nearest_color": [
        (lambda centers, ab: gaps(centers, ab).norm(dim=-3).argmax(-3), "farthest"),
        (lambda centers, ab: gaps(centers, ab).sum(-3).argmin(-3), "without a square"),
        (lambda centers, ab: gaps(centers, ab)[..., 0, :, :].abs().argmin(-3), "compares only a"),
        (lambda centers, ab: gaps(centers, ab)[..., 1, :, :].abs().argmin(-3), "compares only b"),
        (lambda centers, ab: gaps(centers, ab).pow(2).sum(-3).min(-3).values, "returns distances"),
    ],
    "shrink_labels": [
        (mean_number, "class numbers are averaged"),
        (lambda ids, k, stride: ones_where(ids[::stride, ::stride], range(k)), "one pixel of each square decides"),
        (lambda ids, k, stride: (shrunk_by_loops(ids, k, stride) > 0).float(), "every class that occurs"),
        (lambda ids, k, stride: shrunk_by_loops(ids, k, stride) * stride**2, "sums, not means"),
    ],
    "receptive_field": [
        (field_without_strides, "strides are ignored"),
        (field_without_dilations, "dilations are ignored"),
        (field_of_whole_kernels, "kernel - 1 steps"),
        (field_with_stride_first, "own stride is counted before"),
    ],
    "cell_center": [
        (lambda index, stride: index * stride, "cell's first pixel: the centre"),
        (lambda index, stride: index * stride + stride / 2, "half a pixel too far"),
        (lambda index, stride: index * stride + stride - 1, "last pixel"),
    ],
    "affinity": [
        (lambda f_j, f_i, temperature: torch.softmax(f_j @ f_i.mT / temperature, dim=1), "softmax over the wrong axis"),
        (softmax_over_all, "everything together sums to one"),
        (lambda f_j, f_i, temperature: torch.softmax(f_i @ f_j.mT / temperature, dim=1), "references by targets"),
        (lambda f_j, f_i, temperature: torch.softmax(f_j @ f_i.mT * temperature, dim=2), "temperature multiplies"),
        (lambda f_j, f_i, temperature: torch.softmax(f_j / temperature @ f_i.mT / temperature, dim=2), "by the temperature twice"),
        (lambda f_j, f_i, temperature: torch.softmax(f_j @ f_i.mT, dim=2), "temperature is not used"),
        (lambda f_j, f_i, temperature: f_j @ f_i.mT / temperature, "softmax is missing"),
        (not_divided, "without the division"),
        (lambda f_j, f_i, temperature: torch.log_softmax(f_j @ f_i.mT / temperature, dim=2), "logarithm of the answer"),
        (of_unit_length, "normalised first"),
    ],
    "window": [
        (window_of(lambda dy, dx, radius: max(dy, dx) < radius), "edge of the square is left out"),
        (window_by_columns, "rows and columns are swapped"),
        (window_of(lambda dy, dx, radius: math.hypot(dy, dx) <= radius), "is a disk"),
        (window_of(lambda dy, dx, radius: dy + dx <= radius), "is a diamond"),
        (window_of_numbers, "pixel numbers are compared"),
        (window_of(lambda dy, dx, radius: dy > radius or dx > radius), "True and False are swapped"),
    ],
    "keep_top_k": [
        (lambda logits, k: kept(logits, k, rest=0.0), "set to 0"),
        (lambda logits, k: kept(logits, k, largest=False), "smallest are kept"),
        (lambda logits, k: kept(logits, k, dim=1), "chosen among the targets"),
        (all_above_the_kth, "a tie for the k-th place"),
        (lambda logits, k: torch.softmax(kept(logits, k), dim=-1), "already takes the softmax"),
        (lambda logits, k: torch.topk(logits, k).values, "only the k kept logits"),
    ],
    "color_loss": [
        (lambda copied, labels: F.cross_entropy(copied.mT, labels), "second softmax"),
        (lambda copied, labels: probability(copied, labels).log().mean(), "sign is wrong"),
        (lambda copied, labels: F.nll_loss(copied.log().mT, labels, reduction="sum"), "summed over pixels"),
        (lambda copied, labels: (1 - probability(copied, labels)).mean(), "mean probability of being wrong"),
        (lambda copied, labels: F.nll_loss(copied.mT, labels), "mean probability of the truth"),
        (lambda copied, labels: -torch.log(probability(copied, labels).mean()), "logarithm of the mean"),
        (lambda copied, labels: -torch.log2(probability(copied, labels)).mean(), "base 2"),
        (lambda copied, labels: F.nll_loss(copied.log().mT, labels, reduction="none"), "one loss for each pixel"),
    ],
    "even_pointer_loss": [
        (lambda reference, target, k: math.log(k), "is log K"),
        (lambda reference, target, k: evenly_by_loops(target, target, k), "those of the target"),
        (lambda reference, target, k: entropy(reference, k), "entropy of the reference"),
        (lambda reference, target, k: evenly_by_loops(reference, target, k) * math.log2(math.e), "base 2"),
    ],
    "references": [
        (never_the_first, "the first frame is never kept"),
        (always_the_first, "the first frame is always kept"),
        (before_the_first, "frames before the first"),
        (lambda index, back, keep_first: references_by_a_loop(index, back, keep_first) + [index], "its own references"),
        (first_twice, "appears in the list twice"),
        (newest_first, "newest frame comes first"),
    ],
    "propagate": [
        (lambda f, labels, temperature: carried(f, labels, temperature, memory=lambda t: [0]), "only reference is the first frame"),
        (lambda f, labels, temperature: carried(f, labels, temperature, memory=lambda t: [t - 1]), "only reference is the previous frame"),
        (lambda f, labels, temperature: carried(f, labels, temperature, feed=hardened), "made hard"),
        (lambda f, labels, temperature: carried(f, labels, 1), "temperature is not used"),
        (lambda f, labels, temperature: iter(carried(f, labels, temperature)[1:]), "first labels are missing"),
    ],
    "read_balanced": [
        (lambda maps, balance: maps.argmax(dim=0), "plain argmax"),
        (lambda maps, balance: (maps * prior(maps) ** balance).argmax(dim=0), "multiplied by the prior"),
        (lambda maps, balance: (maps / prior(maps)).argmax(dim=0), "all of the prior"),
        (stretched, "min-max"),
    ],
    "joint_maps": [
        (lambda xy, size, grid, sigma: blobs(xy, size, grid, sigma, swap=True), "x and y are swapped"),
        (lambda xy, size, grid, sigma: blobs(xy, size, grid, sigma, half=0), "half a cell off"),
        (lambda xy, size, grid, sigma: blobs(xy, size, grid, sigma, width=lambda s: 2 * s), "sigma is not squared"),
        (blobs_that_sum_to_one, "maps sum to one"),
    ],
    "locate": [
        (lambda maps, size: located(maps, size, reach=0), "whole cells"),
        (lambda maps, size: located(maps, size, reach=max(maps.shape)), "centre of mass of the whole map"),
        (lambda maps, size: [(y, x) for x, y in located(maps, size)], "x and y are swapped"),
        (lambda maps, size: peaks(maps, 2), "returns cells of the grid"),
        (lambda maps, size: located(maps, size, half=0), "half a cell off"),
    ],
    "pck": [
        (lambda p, t, s: joints_by_loops(p, t, s * diagonal(t)), "0.6 is missing"),
        (lambda p, t, s: joints_by_loops(p, t, s * 0.6 * diagonal(t), lost=math.nan), "a lost keypoint is left out"),
        (lambda p, t, s: joints_by_loops(p, t, s * 0.6 * max(box(t))), "larger side"),
        (lambda p, t, s: joints_by_loops(p, t, s), "taken as pixels"),
        (lambda p, t, s: joints_by_loops(p, t, s * 0.6 * diagonal(t), hidden=0.0), "hidden keypoints count as wrong"),
    ],
    "rank_correlation": [
        (pearson, "computes Pearson's"),
        (ranked_without_ties, "ties get different ranks"),
        (lambda x, y: np.corrcoef(np.argsort(x), np.argsort(y))[0, 1], "argsort once"),
        (lambda x, y: stats.spearmanr(x, -y).statistic, "sign is wrong"),
    ],
    "color_error": [
        (with_lightness, "the lightness counts"),
        (lambda p, t: math.sqrt(2 * (ab_gap(p, t) ** 2).mean()), "root comes after the mean"),
        (lambda p, t: (ab_gap(p, t) ** 2).sum(0).mean(), "root is missing"),
        (lambda p, t: 2 * ab_gap(p, t).abs().mean(), "absolute differences are added"),
        (rgb_distance, "distances in RGB"),
    ],
    "hide_channel": [
        (shown_alone, "this one is shown"),
        (hidden_frame, "hides a frame"),
        (cut_out, "cut out"),
        (lambda picture, channel: picture.clone(), "nothing is hidden"),
    ],
    "ceiling": [
        (corner_pixels, "one pixel of each cell decides"),
        (lambda mask, grid: there_and_back(mask, grid, up="nearest"), "way back is in blocks"),
        (lambda mask, grid: there_and_back(mask, grid, "nearest", "nearest"), "nearest both ways"),
        (lambda mask, grid: j_by_sets(mask, mask), "compared with itself"),
    ],
    "click_to_pixel": [
        (lambda x, y, shown, size: scaled(x, y, size, shown), "upside down"),
        (lambda x, y, shown, size: (x * size[0] / shown[0] - 0.5, y * size[1] / shown[1] - 0.5), "x goes with the width"),
        (lambda x, y, shown, size: scaled(x, y, shown, size, half=0), "half a pixel off"),
        (lambda x, y, shown, size: scaled(x, y, shown, size)[::-1], "x first"),
    ],
}
"""Name of the exercise -> wrong solutions a reader might write, each with words that only its own message contains."""

PLANTED = [pytest.param(name, slip, words, id=f"{name}: {words}") for name, rows in MISTAKES.items() for slip, words in rows]


def in_float32(function):
    """The same function, run in single precision, as a reader's solution may be."""

    def single(*arguments):
        return function(*(a.float() if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in arguments))

    return single


# Some mistakes of MISTAKES written in another way, and some further mistakes.
OTHER_WAYS = {
    "to_gray": [(lambda frame: gray_rgb(frame @ [0.299, 0.587, 0.114]), "television luma")],
    "nearest_color": [
        (lambda centers, ab: (ab.unsqueeze(-4) - centers[:, :, None, None]).sum(-3).abs().argmin(-3), "without a square"),
        (lambda centers, ab: (ab.unsqueeze(-4) - centers[:, :, None, None]).norm(dim=-3).amin(-3), "returns distances"),
        (lambda centers, ab: (ab.unsqueeze(-4) - centers[:, :, None, None]).abs().sum(-3).argmin(-3), "absolute differences"),
    ],
    "affinity": [(lambda f_j, f_i, temperature: (f_j @ f_i.mT / temperature).softmax(0), "clips of the batch")],
    "color_loss": [(lambda copied, labels: probability(copied, labels).mean(), "mean probability of the truth")],
    "references": [
        (
            lambda index, back, keep_first: [0] * keep_first + [index - n for n in back if n <= index - keep_first],
            "newest frame comes first",
        ),
    ],
    "rank_correlation": [
        (lambda x, y: np.corrcoef(np.argsort(np.argsort(x)), np.argsort(np.argsort(y)))[0, 1], "ties get different"),
        (lambda x, y: np.corrcoef(x, stats.rankdata(y))[0, 1], "only one of the two"),
    ],
    "click_to_pixel": [
        (lambda x, y, shown, size: ((x + 0.5) * size[1] / shown[1] - 0.5, (y + 0.5) * size[0] / shown[0] - 0.5), "half a pixel off"),
    ],
}


@pytest.mark.parametrize("name,function,words", [(name, *row) for name, rows in OTHER_WAYS.items() for row in rows])
def test_a_mistake_is_recognised_however_it_is_written(name, function, words):
    assert words in EXERCISES[name](function).message


def test_a_wrong_answer_without_a_matching_message_is_not_accepted():
    swapped = lambda maps, size: label_maps.locate_joints(maps, (size[1], size[0]))[0]  # noqa: E731
    assert not EXERCISES["locate"](swapped)
    assert not EXERCISES["references"](lambda index, back, keep_first: sorted({max(index - n, 0) for n in back} | set([0] * keep_first)))


def test_any_of_several_equal_logits_may_be_kept():
    def last_of_equals(logits, k):
        kept = torch.full_like(logits, -math.inf)
        for row, out in zip(logits.flatten(0, -2), kept.flatten(0, -2), strict=True):
            best = sorted(range(len(row)), key=lambda i: (row[i], i))[-k:]
            out[best] = row[best]
        return kept

    assert EXERCISES["keep_top_k"](last_of_equals)


def test_answers_that_are_not_numbers_are_printed_as_they_are():
    spelled = Exercise("spelled", lambda word: list(word), lambda: [("abc",)], [])
    verdict = repr(spelled(lambda word: ["a", "b", "d"]))
    assert "['a', 'b', 'd']" in verdict and "['a', 'b', 'c']" in verdict
    assert "returns text, '0'" in EXERCISES["cell_center"](lambda index, stride: str(index)).message


def test_a_set_counts_as_a_sorted_list():
    assert EXERCISES["references"](lambda index, back, keep_first: set(Protocol("", None, back, keep_first).references(index)))


def test_each_exercise_is_tested_with_at_least_two_mistakes():
    assert {name: exercise.name for name, exercise in EXERCISES.items()} == {name: name for name in EXERCISES}
    assert set(LIBRARY) | set(BY_HAND) == set(COMPARED) == set(MISTAKES)
    assert [name for name, rows in MISTAKES.items() if len(rows) < 2] == []
    assert len(PLANTED) >= 2 * len(COMPARED)


def test_each_planted_mistake_expects_its_own_message():
    for name, rows in MISTAKES.items():
        messages = [message for message, *_ in EXERCISES[name].slips]
        found = [[message for message in messages if words in message] for _, words in rows]
        assert [len(fit) for fit in found] == [1] * len(rows), name
        assert len({message for fit in found for message in fit}) == len(rows), name


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_function_is_right(name):
    assert repr(EXERCISES[name](LIBRARY[name])) == f"{name}: right"


@pytest.mark.parametrize("name", BY_HAND)
def test_another_correct_solution_is_right(name):
    assert repr(EXERCISES[name](BY_HAND[name])) == f"{name}: right"


@pytest.mark.parametrize("name", COMPARED)
def test_the_solution_in_float32_is_right(name):
    assert EXERCISES[name](in_float32(LIBRARY.get(name) or BY_HAND[name]))


@pytest.mark.parametrize("name,function,words", PLANTED)
def test_a_mistake_gets_the_message_that_names_it(name, function, words):
    verdict = EXERCISES[name](function)
    assert not verdict
    assert verdict.status == "wrong"
    assert verdict.exercise == name
    assert words in verdict.message
    assert_one_sentence(repr(verdict))


@pytest.mark.parametrize("name", COMPARED)
def test_the_mistakes_of_an_exercise_are_told_apart(name):
    exercise = EXERCISES[name]
    messages = [words for words, *_ in exercise.slips]
    assert len(set(messages)) == len(messages) > 0
    assert [exercise(way).message for _, *ways in exercise.slips for way in ways] == [m for m, *ways in exercise.slips for _ in ways]


@pytest.mark.parametrize("name", EXERCISES)
def test_an_empty_stub_is_not_attempted_yet(name):
    def stub(*arguments):
        raise NotImplementedError

    assert repr(EXERCISES[name](stub)) == f"{name}: not attempted yet"
