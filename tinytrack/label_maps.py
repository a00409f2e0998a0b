"""Labels and label maps: masks, keypoints and colours of a frame become maps on the grid, and propagated maps are read out again."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .color import GRAY, chroma, frames_to_lab, lab_to_frames
from .errors import VideoError
from .guided import GuidedFilter
from .io.frames import rescale

CELL = 2  # pixels per cell of the label grid at which the guided filter is fitted; with 4 it takes twice the time and scores the same
BALANCE = 0.2  # exponent of the class prior in the "balanced" read-out; chosen by J on masks of the DAVIS *train* split
SIGMA = 0.7  # of a keypoint's heat map, in cells
BODY = 40  # squares along the diagonal of a skeleton's box; if it is shorter, wide spots would cover more than the limbs
LOST_BELOW = 0.01  # a keypoint is lost when its peak is lower than this share of its peak in the first frame; at 0.05, many were right


# ---- masks


def mask_labels(mask: np.ndarray, ids: np.ndarray, grid: tuple[int, int], device: torch.device | str = "cpu") -> Tensor:
    """Turn object ids (H, W) into soft class maps (K, h, w) on the grid, background first; each cell sums to one.

    One-hot maps are averaged, never the ids themselves: there is no object 2 between object 1 and object 3.
    """
    classes = np.concatenate([[0], ids])
    one_hot = (torch.as_tensor(mask == i, dtype=torch.float32, device=device) for i in classes)  # one in memory at a time
    return torch.cat([F.adaptive_avg_pool2d(one[None], grid) for one in one_hot])


def remove_prior(labels: Tensor, balance: float = BALANCE) -> Tensor:
    """Divide class maps (K, h, w) by p_k^balance, where the prior p_k is the share of the frame that map k holds."""
    return labels / labels.mean((1, 2), keepdim=True).clamp(min=1e-4) ** balance


def read_masks(
    labels: Tensor,
    ids: np.ndarray,
    size: tuple[int, int],
    read: str = "argmax",
    balance: float = BALANCE,
    guide: Tensor | None = None,
) -> np.ndarray:
    """Read object ids uint8 (H, W) out of class maps (K, h, w): scale up, then choose one class per pixel.

    Propagated masks *fade*: whenever a pointer goes astray, it copies some other class, most often the background, because the
    background is large. The map stays on the object, but its probability sinks below one half, and a plain argmax loses it.

    Args:
        labels: from :func:`~tinytrack.propagate.propagate`, background first.
        ids: the K - 1 objects.
        size: (H, W).
        read: "argmax": the largest y_k. "balanced": the largest y_k / p_k^balance, see :func:`remove_prior`, so an object does not lose
            only because it is small (known as logit adjustment). "guided": the same, but scaled up along the edges of the picture, see
            :mod:`tinytrack.guided`; the others scale up bilinearly. "min_max": each map is first stretched to [0, 1], as in the
            script of DINO; a single outlier then changes the whole map.
        balance: 0 ignores the prior, 1 divides it out completely.
        guide: for "guided", the frame itself: (1, H, W) gray or (3, H, W) RGB in [0, 1].
    """
    if read not in ("argmax", "min_max", "balanced", "guided"):
        raise ValueError(f"masks are read by argmax, min_max, balanced or guided, not '{read}'")
    if read in ("balanced", "guided"):
        labels = remove_prior(labels, balance)  # on the small grid: the result is the same, because scaling up is linear
    if read == "guided":
        return _read_guided(labels, ids, guide)
    best, found = -np.inf, np.zeros(size, np.uint8)
    for n, label in zip([0, *ids], labels.detach().cpu(), strict=True):  # one full-size map at a time: memory does not grow with K
        y = F.interpolate(label[None, None], size, mode="bilinear", align_corners=False)[0, 0].numpy()
        if read == "min_max":
            y = (y - y.min()) / max(y.max() - y.min(), 1e-6)
        found[y > best] = n
        best = np.maximum(best, y)
    return found


def guided_filter(guide: Tensor, grid: Sequence[int]) -> GuidedFilter:
    """Make the filter that scales maps on a grid (h, w) up to the size of a picture (C, H, W)."""
    return GuidedFilter(F.interpolate(guide[None], [CELL * v for v in grid], mode="area")[0])


def _read_guided(labels: Tensor, ids: np.ndarray, guide: Tensor) -> np.ndarray:
    """Scale class maps (K, h, w) up with a guided filter, then choose one class per pixel."""
    labels = labels / labels.sum(0).clamp(min=1e-8)
    scale_up = guided_filter(guide, labels.shape[1:])
    found = torch.zeros(guide.shape[1:], dtype=torch.uint8, device=guide.device)
    best, background = torch.zeros_like(guide[0]), torch.ones_like(guide[0])
    for n, label in zip(ids, labels[1:], strict=True):
        y = scale_up(label, guide)
        found[y > best] = int(n)
        best = torch.maximum(best, y)
        background -= y  # the filter is linear, so the maps still sum to one
    found[background >= best] = 0
    return found.cpu().numpy()


# ---- keypoints


def joint_maps(xy: np.ndarray, size: tuple[int, int], grid: tuple[int, int], sigma: float = SIGMA, device="cpu") -> Tensor:
    """Turn keypoints (J, 2) in pixels into heat maps (J, h, w): Gaussians of ``sigma`` cells, all zero for NaN keypoints."""
    cell = torch.as_tensor(rescale(xy, size, grid), dtype=torch.float32, device=device)
    y = torch.arange(grid[0], device=device)[None, :, None] - cell[:, 1, None, None]
    x = torch.arange(grid[1], device=device)[None, None, :] - cell[:, 0, None, None]
    return torch.nan_to_num(torch.exp(-(x.square() + y.square()) / (2 * sigma**2)), nan=0.0)


def spot_width(xy: np.ndarray, size: tuple[int, int], grid: tuple[int, int], coarse: int) -> float:
    """Choose ``sigma`` for :func:`joint_maps`: with ``coarse`` times as many rows of cells, spots keep their size in the picture.

    Smaller ones would fade sooner. Only those of a skeleton smaller than :data:`BODY` keep their number of cells.
    """
    cell = rescale(xy, size, grid)
    extent = np.linalg.norm(np.nanmax(cell, axis=0) - np.nanmin(cell, axis=0))  # the diagonal of the box around it
    return SIGMA * (coarse if extent >= BODY * coarse else 1)


def locate_joints(maps: Tensor, size: tuple[int, int], reach: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Find the pixel positions (J, 2) and peak heights (J,) of heat maps (J, h, w).

    Positions are finer than a cell: the centre of mass within +-``reach`` cells of the peak. A map that is zero everywhere gives
    NaN and height 0.
    """
    _, h, w = maps.shape
    # keep only the neighbourhood of each peak
    peak, index = maps.flatten(1).max(1)
    y0, x0 = index // w, index % w
    y = torch.arange(h, device=maps.device)[None, :, None]
    x = torch.arange(w, device=maps.device)[None, None, :]
    near = ((y - y0[:, None, None]).abs() <= reach) & ((x - x0[:, None, None]).abs() <= reach)
    # its centre of mass, from cells to pixels
    mass = maps * near
    total = mass.sum((1, 2)).clamp(min=1e-12)
    cell = torch.stack([(mass * x).sum((1, 2)) / total, (mass * y).sum((1, 2)) / total], dim=1)
    xy = rescale(cell.double().cpu().numpy(), (h, w), size)
    peak = peak.double().cpu().numpy()
    xy[peak <= 0] = np.nan
    return xy, peak


def certain(xy: np.ndarray) -> np.ndarray:
    """Return the confidence (J,) of known keypoints (J, 2): 1, or 0 for absent ones (NaN)."""
    return (~np.isnan(xy).any(axis=1)).astype(np.float64)


def find_joints(maps: Tensor, first_maps: Tensor, size: tuple[int, int], lost_below: float = LOST_BELOW) -> tuple[np.ndarray, np.ndarray]:
    """Read keypoints out of heat maps (J, h, w): positions (J, 2), NaN where lost, and confidence (J,).

    The confidence is the peak's height relative to the first frame's; a keypoint is lost where it is below ``lost_below``.
    """
    place, peak = locate_joints(maps, size)
    height = first_maps.flatten(1).amax(1).double().cpu().numpy()
    confidence = (peak / height.clip(min=1e-6)).clip(0, 1)
    place[confidence < lost_below] = np.nan
    return place, confidence


# ---- colours


def color_labels(reference: np.ndarray, grid: tuple[int, int], device: torch.device | str = "cpu") -> Tensor:
    """Average the (a, b) of a colour frame uint8 (H, W, 3) to the grid: (2, h, w) in Lab units.

    Tracking copies (a, b) itself, not palette classes. Nothing is lost by that, because Eq. 1 is linear in the labels.

    Raises:
        VideoError: if the frame is gray.
    """
    ab = frames_to_lab(reference, device)[1:]
    if chroma(ab).max() < GRAY:
        raise VideoError("the reference frame is gray: expected a frame with colours to copy")
    return F.adaptive_avg_pool2d(ab, grid)


def paint(frame: np.ndarray, ab: Tensor) -> np.ndarray:
    """Replace the colours of a frame uint8 (H, W, 3) by ab (2, h, w), scaled up; L stays the frame's own."""
    lab = frames_to_lab(frame, ab.device)
    lab[1:] = F.interpolate(ab[None], lab.shape[1:], mode="bilinear", align_corners=False)[0]
    return lab_to_frames(lab)
