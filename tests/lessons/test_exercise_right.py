"""Right solutions are accepted in whatever style they are written: NumPy, loops, lists, generators, float32 inside or throughout."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

from tinytrack.color import frames_to_lab, lab_to_frames
from tinytrack.evaluation.metrics import region_j
from tinytrack.label_maps import mask_labels, read_masks
from tinytrack.lessons.check import EXERCISES
from tinytrack.lessons.compare import to_single
from tinytrack.lessons.exercise import Exercise


def gray_in_numpy(frame):
    lab = frames_to_lab(frame).numpy().astype(np.float64)
    return lab_to_frames(torch.tensor(np.stack([lab[0], 0 * lab[1], 0 * lab[2]]), dtype=torch.float32))


def nearest_by_cdist(centers, ab):
    pixels = ab.movedim(-3, -1)
    return torch.cdist(pixels.reshape(-1, 2).float(), centers.float()).argmin(-1).reshape(pixels.shape[:-1])


def nearest_in_numpy(centers, ab):
    difference = ab.numpy()[..., None, :, :, :] - centers.numpy()[:, :, None, None]
    return np.linalg.norm(difference, axis=-3).argmin(-3)


def nearest_by_expansion(centers, ab):
    dot = torch.einsum("kc,...chw->...khw", centers, ab)
    return (dot - centers.square().sum(1)[:, None, None] / 2).argmax(-3).int()


def shares_by_view(ids, k, stride):
    h, w = ids.shape
    blocks = ids.reshape(h // stride, stride, w // stride, stride)
    return torch.stack([(blocks == n).float().mean((1, 3)) for n in range(k)])


def shares_in_numpy(ids, k, stride):
    maps = np.eye(k, dtype=np.float32)[ids.numpy()].transpose(2, 0, 1)
    return maps.reshape(k, maps.shape[1] // stride, stride, -1, stride).mean((2, 4))


def shares_by_convolution(ids, k, stride):
    maps = F.one_hot(ids, k).permute(2, 0, 1)[:, None].float()
    return F.conv2d(maps, torch.full((1, 1, stride, stride), 1 / stride**2), stride=stride)[:, 0]


def field_by_walking(layers):
    first = last = 0
    for kernel, stride, dilation in layers[::-1]:
        first, last = first * stride, last * stride + (kernel - 1) * dilation
    return last - first + 1


def field_by_a_network(layers):
    """Build the network with weights of one, and see which inputs have a gradient."""
    x = torch.zeros(1, 1, 400, requires_grad=True)
    y = x
    for kernel, stride, dilation in layers:
        layer = nn.Conv1d(1, 1, kernel, stride, dilation=dilation, bias=False)
        nn.init.ones_(layer.weight)
        y = layer(y)
    y[0, 0, 0].backward()
    return x.grad[0, 0].nonzero().max() + 1


def attention_in_numpy(f_j, f_i, temperature):
    logits = np.asarray(f_j) @ np.asarray(f_i).transpose(0, 2, 1) / temperature
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def attention_that_mixes_types(f_j, f_i, temperature):
    """Fails with float64 arguments: a float32 matrix is multiplied by a float64 one."""
    scale = torch.eye(f_j.shape[-1]) / temperature
    return torch.softmax(f_j @ scale @ f_i.transpose(1, 2), dim=-1)


def attention_by_rows(f_j, f_i, temperature):
    return [[torch.stack([(q * k).sum() / temperature for k in keys]).softmax(0) for q in row] for row, keys in zip(f_j, f_i, strict=True)]


def window_in_numpy(h, w, radius):
    rows, columns = np.divmod(np.arange(h * w), w)
    return np.maximum(abs(np.subtract.outer(rows, rows)), abs(np.subtract.outer(columns, columns))) <= radius


def window_by_rolls(h, w, radius):
    mask = [[abs(a // w - b // w) <= radius and abs(a % w - b % w) <= radius for b in range(h * w)] for a in range(h * w)]
    return mask


def window_by_kron(h, w, radius):
    rows = (torch.arange(h)[:, None] - torch.arange(h)).abs() <= radius
    columns = (torch.arange(w)[:, None] - torch.arange(w)).abs() <= radius
    return torch.kron(rows.int(), columns.int()).bool()


def kept_by_sort(logits, k):
    order = logits.argsort(-1, descending=True)
    drop = order[..., k:]
    return logits.clone().scatter_(-1, drop, float("-inf"))


def kept_in_numpy(logits, k):
    kept = np.full(logits.shape, -np.inf, np.float32)
    order = np.argsort(-logits.numpy(), axis=-1, kind="stable")[..., :k]
    np.put_along_axis(kept, order, np.take_along_axis(logits.numpy(), order, -1), -1)
    return kept


def kept_by_ranks(logits, k):
    ranks = logits.argsort(-1, descending=True).argsort(-1)
    return logits.masked_fill(ranks >= k, -torch.inf)


def loss_in_numpy(copied, labels):
    picked = np.take_along_axis(np.asarray(copied, np.float32), np.asarray(labels)[..., None], -1)
    return -np.log(picked).mean()


def loss_by_nll(copied, labels):
    return F.nll_loss(copied.flatten(0, 1).log(), labels.flatten())


def loss_with_a_floor(copied, labels):
    return -copied.clamp(min=1e-7).log().gather(2, labels.unsqueeze(2)).mean()


def loss_with_xlogy(copied, labels):
    return -torch.xlogy(F.one_hot(labels, copied.shape[-1]).float(), copied).sum(-1).mean()


def even_by_shares(reference, target, k):
    shares = [(reference == n).float().mean() for n in range(k)]
    return sum(-math.log(shares[n]) for n in target.flatten()) / target.numel()


def even_by_copying(reference, target, k):
    A = torch.full((target.numel(), reference.numel()), 1 / reference.numel())
    y = A @ F.one_hot(reference.flatten(), k).float()
    return F.nll_loss(y.log(), target.flatten())


def even_by_masked_entropy(reference, target, k):
    p, q = (np.bincount(labels.flatten(), minlength=k) / labels.numel() for labels in (target, reference))
    return -(p[p > 0] * np.log(q[p > 0])).sum()


def references_in_numpy(index, back, keep_first):
    frames = index - np.array(back)
    frames = frames[frames >= 0]
    return np.unique(np.append(frames, 0) if keep_first else frames).astype(int)


def references_by_generator(index, back, keep_first):
    for frame in range(index):
        if index - frame in back or keep_first and frame == 0:
            yield frame


def propagated(f, labels, temperature):
    """Work in float32 throughout, whatever is given."""
    f, maps = f.float(), [labels.float()]
    for t in range(1, len(f)):
        past = [0, t - 1] if t > 1 else [0]
        keys = torch.cat([f[s].flatten(1) for s in past], 1)
        values = torch.cat([maps[s].flatten(1) for s in past], 1)
        A = F.softmax(f[t].flatten(1).T @ keys / temperature, 1)
        maps.append((values @ A.T).view_as(labels))
    return maps


def propagated_with_the_first_frame_twice(f, labels, temperature):
    """In frame 1 both references are frame 0, which changes nothing."""
    maps = [labels]
    for t in range(1, len(f)):
        keys = torch.cat([f[0].flatten(1), f[t - 1].flatten(1)], 1)
        values = torch.cat([maps[0].flatten(1), maps[-1].flatten(1)], 1)
        maps.append((values @ (f[t].flatten(1).T @ keys / temperature).softmax(-1).T).reshape(labels.shape))
    return torch.stack(maps)


def balanced_in_numpy(maps, balance):
    maps = maps.numpy().astype(np.float32)
    return (maps / maps.mean((1, 2))[:, None, None] ** balance).argmax(0)


def balanced_by_a_loop(maps, balance):
    return torch.stack([m / m.mean().pow(balance) for m in maps]).max(0).indices


def gaussians_by_an_outer_product(xy, size, grid, sigma):
    xy = torch.as_tensor(xy).float()
    x = (xy[:, 0] + 0.5) / size[1] * grid[1] - 0.5
    y = (xy[:, 1] + 0.5) / size[0] * grid[0] - 0.5
    across = torch.exp(-((torch.arange(grid[1]) - x[:, None]) ** 2) / (2 * sigma**2))
    down = torch.exp(-((torch.arange(grid[0]) - y[:, None]) ** 2) / (2 * sigma**2))
    return torch.einsum("jh,jw->jhw", down, across)


def gaussians_in_pixels(xy, size, grid, sigma):
    """Measure distances in pixels, from the centres of the cells."""
    sy, sx = size[0] / grid[0], size[1] / grid[1]
    cy, cx = np.mgrid[: grid[0], : grid[1]]
    py, px = (cy + 0.5) * sy - 0.5, (cx + 0.5) * sx - 0.5
    return [np.exp(-(((px - x) / sx) ** 2 + ((py - y) / sy) ** 2) / 2 / sigma**2) for x, y in xy]


def located_by_slices(maps, size):
    places = []
    for heat in maps.float().numpy():
        r, c = np.unravel_index(np.argmax(heat), heat.shape)
        rows, columns = np.arange(max(r - 2, 0), min(r + 3, heat.shape[0])), np.arange(max(c - 2, 0), min(c + 3, heat.shape[1]))
        patch = heat[np.ix_(rows, columns)]
        x, y = (patch.sum(0) * columns).sum() / patch.sum(), (patch.sum(1) * rows).sum() / patch.sum()
        places.append([(x + 0.5) * size[1] / heat.shape[1] - 0.5, (y + 0.5) * size[0] / heat.shape[0] - 0.5])
    return torch.tensor(places)


def located_by_pooling(maps, size):
    j, h, w = maps.shape
    mask = F.max_pool2d(F.one_hot(maps.flatten(1).argmax(1), h * w).view(j, 1, h, w).float(), 5, 1, 2)[:, 0]
    mass = maps * mask
    total = mass.sum((1, 2))
    x = (mass.sum(1) * torch.arange(w)).sum(1) / total
    y = (mass.sum(2) * torch.arange(h)).sum(1) / total
    return np.stack([((x + 0.5) * size[1] / w - 0.5).numpy(), ((y + 0.5) * size[0] / h - 0.5).numpy()], 1)


def scored_in_torch(predicted, true, threshold):
    p, t = torch.as_tensor(predicted).float(), torch.as_tensor(true).float()
    seen = ~t.isnan().any(1)
    sides = t[seen].amax(0) - t[seen].amin(0)
    right = ((p - t).norm(dim=1) <= threshold * 0.6 * sides.norm()).float()
    right[~seen] = torch.nan
    return right


def scored_by_lists(predicted, true, threshold):
    known = [row for row in true.tolist() if not math.isnan(row[0])]
    xs, ys = zip(*known, strict=True)
    reach = 0.6 * threshold * math.hypot(max(xs) - min(xs), max(ys) - min(ys))
    pairs = zip(predicted.tolist(), true.tolist(), strict=True)
    return [math.nan if math.isnan(t[0]) else float(not math.isnan(p[0]) and math.dist(p, t) <= reach) for p, t in pairs]


def ranked_by_counting(x, y):
    def ranks(v):
        return np.array([(v < a).sum() + ((v == a).sum() + 1) / 2 for a in v], np.float32)

    a, b = ranks(x), ranks(y)
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())


def error_in_numpy(predicted, true):
    p, t = (np.asarray(frames_to_lab(frame), np.float32) for frame in (predicted, true))
    return np.hypot(p[1] - t[1], p[2] - t[2]).mean()


def hidden_by_stacking(picture, channel):
    parts = list(picture.unbind(2))
    parts[channel] = torch.zeros_like(parts[channel])
    return torch.stack(parts, 2)


def hidden_by_a_mask(picture, channel):
    return torch.where(torch.arange(3).view(3, 1, 1) == channel, 0, picture)


def hidden_in_numpy(picture, channel):
    hidden = np.array(picture, np.float32)
    hidden[:, :, channel] = 0
    return hidden


def ceiling_with_the_library(mask, grid):
    maps = mask_labels(mask, np.array([1]), grid)
    return region_j(read_masks(maps, np.array([1]), mask.shape) == 1, mask)


def ceiling_in_float32(mask, grid):
    small = F.adaptive_avg_pool2d(torch.tensor(mask)[None, None].float(), grid)
    back = F.interpolate(small, size=mask.shape, mode="bilinear", align_corners=False)[0, 0] > 0.5
    true = torch.tensor(mask)
    return (back & true).sum() / (back | true).sum()


def pixel_by_shares(x, y, shown, size):
    return np.float32([x / shown[1] * size[1], y / shown[0] * size[0]]) - np.float32(0.5)


def pixel_by_zip(x, y, shown, size):
    return [v / s * z - 0.5 for v, s, z in zip((x, y), shown[::-1], size[::-1], strict=True)]


RIGHT = {
    "to_gray": [gray_in_numpy, lambda frame: lab_to_frames(frames_to_lab(frame) * torch.tensor([1.0, 0, 0])[:, None, None])],
    "nearest_color": [nearest_by_cdist, nearest_in_numpy, nearest_by_expansion],
    "shrink_labels": [shares_by_view, shares_in_numpy, shares_by_convolution],
    "receptive_field": [field_by_walking, field_by_a_network],
    "cell_center": [lambda i, s: (s * i + s * (i + 1) - 1) / 2, lambda i, s: np.arange(i * s, i * s + s, dtype=np.float32).mean()],
    "affinity": [attention_in_numpy, attention_that_mixes_types, attention_by_rows],
    "window": [window_in_numpy, window_by_rolls, window_by_kron],
    "keep_top_k": [kept_by_sort, kept_in_numpy, kept_by_ranks],
    "color_loss": [loss_in_numpy, loss_by_nll, loss_with_a_floor, loss_with_xlogy],
    "even_pointer_loss": [even_by_shares, even_by_copying, even_by_masked_entropy],
    "references": [references_in_numpy, references_by_generator],
    "propagate": [propagated, propagated_with_the_first_frame_twice],
    "read_balanced": [balanced_in_numpy, balanced_by_a_loop],
    "joint_maps": [gaussians_by_an_outer_product, gaussians_in_pixels],
    "locate": [located_by_slices, located_by_pooling],
    "pck": [scored_in_torch, scored_by_lists],
    "rank_correlation": [ranked_by_counting, lambda x, y: stats.spearmanr(np.float32(x), np.float32(y))[0]],
    "color_error": [error_in_numpy, lambda p, t: float((frames_to_lab(p)[1:] - frames_to_lab(t)[1:]).norm(dim=0).double().mean())],
    "hide_channel": [hidden_by_stacking, hidden_by_a_mask, hidden_in_numpy],
    "ceiling": [ceiling_with_the_library, ceiling_in_float32],
    "click_to_pixel": [pixel_by_shares, pixel_by_zip],
}
"""Name of the exercise -> right solutions; exercises whose answers are judged by an :class:`Experiment` have their own tests."""

COMPARED = {name: exercise for name, exercise in EXERCISES.items() if isinstance(exercise, Exercise)}
CASES = [pytest.param(name, function, id=f"{name}-{n}") for name, functions in RIGHT.items() for n, function in enumerate(functions)]


def test_every_exercise_has_right_solutions_in_several_styles():
    assert set(RIGHT) == set(COMPARED)
    assert min(map(len, RIGHT.values())) >= 2


@pytest.mark.parametrize("name, function", CASES)
def test_a_right_solution_is_accepted(name, function):
    assert repr(EXERCISES[name](function)) == f"{name}: right"


@pytest.mark.parametrize("name, function", CASES)
def test_a_right_solution_in_float32_is_accepted(name, function):
    assert EXERCISES[name](lambda *arguments: function(*to_single(arguments)))


@pytest.mark.parametrize("name", COMPARED)
def test_no_case_depends_on_the_last_digit(name):
    """Float32 noise in the arguments must not change a result by more than that, or else right solutions would be rejected."""
    exercise = EXERCISES[name]
    for case in [*exercise.cases(), *(case for _, case in exercise.edges())]:
        for seed in range(3):
            noisy = tuple(with_noise(value, seed) for value in case)
            right, also = exercise.call(exercise.solution, case), exercise.call(exercise.solution, noisy)
            assert np.allclose(right, also, rtol=1e-4, atol=1e-4, equal_nan=True), case


def with_noise(value, seed):
    if isinstance(value, torch.Tensor):
        return torch.as_tensor(with_noise(value.numpy(), seed))
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        if np.array_equal(value, value.round(2)) or len(np.unique(value)) < value.size:
            return value  # numbers such as 0.25, and ties, are exact on purpose
        return value * (1 + 1e-6 * np.random.default_rng(seed).standard_normal(value.shape))
    return value
