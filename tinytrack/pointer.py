"""The pointer: where does each target pixel come from (Eq. 2), and what does it copy from there (Eq. 1)?

Shapes, here and everywhere: B batch, T frames, H W image, R reference frames, h w feature grid, D embedding size, K label channels,
N = R*h*w reference pixels (index i), M = h*w target pixels (index j). ``A`` is (B, M, N): row j is a distribution over the reference
pixels i, so the paper's A_ij is ``A[b, j, i]``. Labels can be anything that may be averaged: colours, masks, heat maps of keypoints.

This is the form to read. ``fast.py`` computes the same results without ever storing A, for training and for tracking.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

OUTSIDE = float("-inf")  # the logit of a forbidden reference pixel; zero would be a perfectly good similarity


def pixels(maps: Tensor) -> Tensor:
    """Flatten maps of R frames (B, R, C, h, w), or of one frame (B, C, h, w), to rows of pixels (B, N, C)."""
    if maps.dim() == 4:
        maps = maps.unsqueeze(1)
    return maps.permute(0, 1, 3, 4, 2).flatten(1, 3)


def similarity(target: Tensor, reference: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute the logits of Eq. 2, f_i . f_j / temperature.

    Args:
        target: (B, M, D) embeddings f_j.
        reference: (B, N, D) embeddings f_i.
        temperature: > 0; the paper's equation has 1.

    Returns:
        (B, M, N) logits.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    return (target / temperature) @ reference.mT  # dividing the embeddings (M, D) touches fewer numbers than dividing the logits (M, N)


def window(h: int, w: int, radius: int, frames: int = 1, device: torch.device | str = "cpu") -> Tensor:
    """Mark the reference pixels that a target pixel may point at: (M, N) bool, True within a square of +-radius grid cells."""
    y, x = torch.meshgrid(torch.arange(h, device=device), torch.arange(w, device=device), indexing="ij")
    y, x = y.flatten(), x.flatten()
    near = ((y[:, None] - y).abs() <= radius) & ((x[:, None] - x).abs() <= radius)
    return near.repeat(1, frames)


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k largest logits of each row, jointly over all reference frames, and set the others to -inf.

    Top-k comes before the softmax, so the kept weights sum to one. Rows with fewer than k candidates keep them all; a tie at the k-th
    place still leaves exactly k.
    """
    if k < 1:
        raise ValueError(f"top-k needs k >= 1, got {k}")
    if k >= logits.shape[-1]:
        return logits
    value, index = logits.topk(k, dim=-1)
    return torch.full_like(logits, OUTSIDE).scatter(-1, index, value)


def affinity(
    target: Tensor,
    reference: Tensor,
    temperature: float = 1.0,
    allowed: Tensor | None = None,
    top_k: int | None = None,
) -> Tensor:
    """Point (Eq. 2): A_ij = exp(f_i . f_j) / sum_k exp(f_k . f_j).

    Args:
        target: (B, M, D) embeddings of the target frame's pixels.
        reference: (B, N, D) embeddings of all reference pixels.
        temperature: divides the logits once. Eq. 2 as written has 1; towards 0 this becomes nearest neighbour.
        allowed: (M, N) or (B, M, N) bool from :func:`window`; every row needs at least one True.
        top_k: keep only the k largest logits of a row, see :func:`keep_top_k`.

    Returns:
        A (B, M, N): each *row* (target pixel) is non-negative and sums to one over the reference pixels.

    Explained in notebooks/03_pointer_copy.ipynb.
    """
    logits = similarity(target, reference, temperature)
    if allowed is not None:
        logits = logits.masked_fill(~allowed, OUTSIDE)
    if top_k is not None:
        logits = keep_top_k(logits, top_k)
    return logits.softmax(dim=-1)


def copy(A: Tensor, c: Tensor) -> Tensor:
    """Copy (Eq. 1): y_j = sum_i A_ij c_i. A (B, M, N), labels c (B, N, K) -> y (B, M, K)."""
    return A @ c


@torch.inference_mode()
def attention(
    embeddings: Tensor,
    references: Sequence[int],
    cells: Sequence[Sequence[int]],
    temperature: float,
    radius: int | None = None,
    top_k: int | None = None,
) -> Tensor:
    """Evaluate Eq. 2 for a few cells of the last frame, as maps to look at.

    Args:
        embeddings: (T, D, h, w); the last frame is the target.
        references: R frame numbers; one softmax runs over the cells of all of them.
        cells: (P, 2) grid cells (column, row).
        temperature, top_k: as in :func:`affinity`.
        radius: a cell points only within a square of +-radius cells in every reference; None: anywhere.

    Returns:
        (P, R, h, w); the values of each target cell sum to one.
    """
    h, w = embeddings.shape[-2:]
    column, row = torch.as_tensor(cells).T
    allowed = None
    if radius is not None:
        near_rows = (torch.arange(h) - row[:, None]).abs() <= radius  # (P, h)
        near_columns = (torch.arange(w) - column[:, None]).abs() <= radius  # (P, w)
        allowed = (near_rows[:, :, None] & near_columns[:, None]).flatten(1).repeat(1, len(references)).to(embeddings.device)
    target = embeddings[-1][:, row, column].T[None]  # (1, P, D)
    A = affinity(target, pixels(embeddings[list(references)][None]), temperature, allowed=allowed, top_k=top_k)
    return A[0].unflatten(-1, (len(references), h, w))
