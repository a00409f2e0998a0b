"""Coarse to fine: first find the right area on a coarse grid, then the right cells within it.

Twice as many rows have four times as many cells, and a window that covers the same part of the picture holds four times as many of
them, so pointing takes sixteen times as long. But cells that are alike usually lie in areas that are alike. So the averages of squares
of ``factor`` x ``factor`` cells are searched first, and then only the cells within the best squares. The result is an approximation.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .fast import best_cells

SQUARES = 2  # a target cell is compared with the cells of SQUARES * top_k squares, the best of all references
AT_ONCE = 1024  # target squares at a time, so that memory does not grow with the frame


def squares(maps: Tensor, factor: int) -> Tensor:
    """Cut maps (..., h, w, D) into squares: (..., h / factor, w / factor, factor * factor, D)."""
    maps = maps.unflatten(-3, (-1, factor)).unflatten(-2, (-1, factor))
    return maps.transpose(-4, -3).flatten(-3, -2)


def shrink(f: Tensor, factor: int) -> Tensor:
    """Average embeddings (h, w, D) over squares, and give the averages unit length: (h / factor, w / factor, D)."""
    return F.normalize(squares(f, factor).mean(-2), dim=-1)


def point_and_copy_finely(
    target: Tensor,
    reference: Tensor,
    labels: Tensor,
    small_reference: Tensor,
    factor: int,
    temperature: float,
    radius: int | None,
    top_k: int,
    anywhere: int = 0,
    cells: Tensor | None = None,
) -> Tensor:
    """Point and copy (Eq. 2, then Eq. 1) with top-k, coarse to fine; the result is close to that of ``fast.point_and_copy``.

    Args:
        target, reference: (h, w, D) and (R, h, w, D) embeddings; h and w are multiples of ``factor``.
        labels: (R, K, h, w) labels of the reference frames.
        small_reference: (R, h / factor, w / factor, D), the reference frames after :func:`shrink`.
        factor: cells per side of a square.
        temperature, radius, top_k, anywhere: as in ``fast.point_and_copy``; the window is ``radius // factor`` squares, at least one.
        cells: (h, w) bool, the target cells to compute; None: all. Squares without any of them get labels of zero.

    Returns:
        (K, h, w) labels of the target frame.
    """
    # coarse: the best reference squares of each target square
    wanted = None if cells is None else squares(cells[..., None], factor).any(-2)[..., 0]
    radius = None if radius is None else max(1, radius // factor)
    best = best_cells(shrink(target, factor), small_reference, radius, SQUARES * top_k, anywhere, wanted)
    # fine: the best cells within these squares
    c, f_i = labels.movedim(1, -1).flatten(0, 2), reference.flatten(0, 2)
    w = target.shape[1]
    step = torch.arange(factor, device=c.device)
    step = (step[:, None] * w + step).flatten()  # from the first cell of a square to each of its cells, in rows of c
    f_j = squares(target, factor)
    y = c.new_zeros(*f_j.shape[:3], c.shape[1])
    for at in (best[..., 0] >= 0).nonzero().split(AT_ONCE):
        rows, columns = at.T
        found = best[rows, columns]  # (m, squares)
        candidates = (factor * (found // (w // factor) * w + found % (w // factor))[..., None] + step).flatten(1)
        candidates = candidates.clamp(min=0)  # where there is no square: barred below
        logits = (f_j[rows, columns] / temperature) @ f_i[candidates].mT  # (m, cells of a square, candidates)
        logits, kept = logits.masked_fill((found < 0).repeat_interleave(factor**2, 1)[:, None], -torch.inf).topk(top_k)
        index = candidates[:, None].expand(-1, factor**2, -1).gather(2, kept)
        copied = F.embedding_bag(index.flatten(0, 1), c, per_sample_weights=logits.softmax(-1).flatten(0, 1), mode="sum")
        y[rows, columns] = copied.view(len(at), factor**2, c.shape[1])
    # squares -> map
    return y.unflatten(2, (factor, factor)).transpose(1, 2).flatten(2, 3).flatten(0, 1).movedim(-1, 0)
