"""Select an object with clicks, by pointing within a single frame.

A tracker points from one frame at earlier ones. Here each cell points at the cells around it in its own frame, and copies from them how
much they belong to the object. The value is fixed at 1 where the user clicked on the object, and at 0 where the user clicked off it and
at the border of the frame. After many repetitions, the copied values spread through the region of similar cells and stop at its edges.
This is a random walk: the value of a cell is the probability that a walker who follows the attention reaches a click on the object before
a click off it or the border (Grady, *Random Walks for Image Segmentation*, 2006). ``tests/experiments/clicks.py`` measures how well it
works.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..label_maps import guided_filter
from ..model import Model
from ..propagate import MODERN
from ..track import embed_video, guide_of

# Chosen by J after one and after three clicks, on first frames of the DAVIS *train* split.
ROWS = 160  # pixels: the shorter side of the frame that the network sees
RADIUS = 10  # cells: how far a cell may point
TOP_K = 10  # how many cells it points at
STEPS = 300  # how often it copies
INSIDE = 1 / 3  # a cell belongs to the object from this probability on
SEED = 1  # cells: a click marks a square of +-SEED cells


def point_around(f: Tensor, temperature: float, radius: int = RADIUS, top_k: int = TOP_K) -> tuple[Tensor, Tensor]:
    """Point from each cell at the cells around it, but not at itself (Eq. 2 inside one frame).

    Args:
        f: embeddings (D, h, w).
        temperature: of Eq. 2.
        radius: a cell points within a square of +-radius cells.
        top_k: how many cells it points at; at most what the corner of the frame has around it.

    Returns:
        The numbers of the cells (N, k) at which each of the N = h * w cells points, and the attention (N, k) that they get.
    """
    _, h, w = f.shape
    side = 2 * radius + 1
    padded = F.pad(f, [radius] * 4)
    number = F.pad(torch.arange(h * w, device=f.device).view(1, h, w), [radius] * 4, value=-1)[0]  # -1 is outside the frame
    logits, cells = [], []
    for y, x in ((y, x) for y in range(side) for x in range(side) if (y, x) != (radius, radius)):
        there = number[y : y + h, x : x + w]
        logits.append((f * padded[:, y : y + h, x : x + w]).sum(0).masked_fill(there < 0, -torch.inf).flatten())
        cells.append(there.flatten())
    best, place = torch.stack(logits).topk(min(top_k, len(logits)), dim=0)
    return torch.stack(cells).gather(0, place).clamp(min=0).T, (best / temperature).softmax(0).T


def grow(f: Tensor, inside: Tensor, outside: Tensor, temperature: float, radius: int = RADIUS, steps: int = STEPS) -> Tensor:
    """Copy from cell to cell, starting from marked cells, how much each belongs to the object.

    Args:
        f: embeddings (D, h, w).
        inside, outside: bool (h, w), the cells that are marked as the object, and as something else. The border of the frame counts as
            something else where it is not marked as the object.
        temperature, radius: see :func:`point_around`.
        steps: how often labels are copied.

    Returns:
        (h, w) in [0, 1].
    """
    cells, attention = point_around(f, temperature, radius)
    border = torch.ones_like(inside)
    border[1:-1, 1:-1] = False
    outside = ((outside | border) & ~inside).flatten()
    inside = inside.flatten()
    y = inside.float()
    for _ in range(steps):
        y = (attention * y[cells]).sum(1)  # Eq. 1
        y[inside], y[outside] = 1.0, 0.0
    return y.view(f.shape[1:])


def seeds(points: np.ndarray, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Mark the cells (h, w) around points (N, 2), given as (x, y) in pixels of a frame of the given size."""
    marked = torch.zeros(grid, dtype=torch.bool)
    for x, y in np.asarray(points, np.float64).reshape(-1, 2):
        column, row = int((x + 0.5) * grid[1] / size[1]), int((y + 0.5) * grid[0] / size[0])
        marked[max(0, row - SEED) : row + SEED + 1, max(0, column - SEED) : column + SEED + 1] = True
    return marked


@torch.inference_mode()
def select(frame: np.ndarray, inside: np.ndarray, outside: np.ndarray, model: Model, rows: int = ROWS) -> np.ndarray:
    """Select the object on which the user clicked.

    Args:
        frame: uint8 RGB (H, W, 3).
        inside, outside: (N, 2) clicks on the object and next to it, as (x, y) in pixels.
        model: from :func:`tinytrack.model.load_model`.
        rows: see :data:`ROWS`.

    Returns:
        bool (H, W), with outlines that follow the edges of the picture.
    """
    f = embed_video(frame[None], model, MODERN.at_rows(rows))[0].to(model.device)
    grid, size = tuple(f.shape[1:]), frame.shape[:2]
    marked = [seeds(points, size, grid).to(model.device) for points in (inside, outside)]
    y = grow(f, *marked, model.temperature)
    # read out along the edges of the picture, as masks are
    guide = guide_of(frame, model)
    return (guided_filter(guide, grid)(y, guide) > INSIDE).cpu().numpy()
