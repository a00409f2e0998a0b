"""The pointer: where does each target pixel come from (Eq. 2), and what does it copy from there (Eq. 1)?

Shapes, here and everywhere: B batch, R reference frames, h w feature grid, D embedding size, K label channels,
N = R*h*w reference pixels (index i), M = h*w target pixels (index j).  ``A`` is (B, M, N): row j is a distribution over i.
Labels can be anything that may be averaged: colours, masks, heat maps of joints.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

OUTSIDE = float("-inf")  # the logit of a forbidden reference pixel; zero would be a perfectly good similarity


def pixels(maps: Tensor) -> Tensor:
    """Flatten maps of R frames (B, R, C, h, w), or of one frame (B, C, h, w), to rows of pixels (B, N, C)."""
    if maps.dim() == 4:
        maps = maps.unsqueeze(1)
    return maps.permute(0, 1, 3, 4, 2).flatten(1, 3)


def similarity(target: Tensor, reference: Tensor, temperature: float = 1.0, l2: bool = False) -> Tensor:
    """Logits of Eq. 2, f_i . f_j / temperature; with ``l2`` minus half the squared distance instead of the product.

    Args:
        target: (B, M, D) embeddings f_j.
        reference: (B, N, D) embeddings f_i.
        temperature: > 0; the paper's equation has 1.
        l2: use -|f_i - f_j|^2 / 2. Equal to the product for embeddings of unit length (up to a constant a softmax ignores).

    Returns:
        (B, M, N) logits.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    # Scaling the smaller factor (D columns instead of N) does the division once and cheaply.
    logits = (target / temperature) @ reference.mT
    if l2:
        half = 0.5 / temperature
        logits = logits - half * target.square().sum(-1)[:, :, None] - half * reference.square().sum(-1)[:, None, :]
    return logits


def window(h: int, w: int, radius: int, frames: int = 1, device: torch.device | str = "cpu") -> Tensor:
    """Which reference pixels a target pixel may point at: (M, N) bool, True inside a square of +-radius grid cells."""
    y, x = torch.meshgrid(torch.arange(h, device=device), torch.arange(w, device=device), indexing="ij")
    y, x = y.flatten(), x.flatten()
    near = ((y[:, None] - y).abs() <= radius) & ((x[:, None] - x).abs() <= radius)
    return near.repeat(1, frames)


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k largest logits of each row (jointly over all reference frames), set the others to -inf.

    The softmax that follows then runs over the k kept *logits*; rows with fewer than k candidates keep them all.
    Exactly k survive a tie.
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
    l2: bool = False,
    allowed: Tensor | None = None,
    top_k: int | None = None,
) -> Tensor:
    """Point (Eq. 2): A_ij = exp(f_i . f_j) / sum_k exp(f_k . f_j).

    Args:
        target: (B, M, D) embeddings of the target frame's pixels.
        reference: (B, N, D) embeddings of all reference pixels.
        temperature: divides the logits once. Eq. 2 as written has 1; towards 0 this becomes nearest neighbour.
        l2: see :func:`similarity`.
        allowed: (M, N) or (B, M, N) bool from :func:`window`; every row needs at least one True.
        top_k: keep only the k largest logits of a row, jointly over all reference frames.

    Returns:
        A (B, M, N): each *row* (target pixel) is non-negative and sums to one over the reference pixels.

    Derived in notebooks/03_pointer_copy.ipynb.
    """
    logits = similarity(target, reference, temperature, l2)
    if allowed is not None:
        logits = logits.masked_fill(~allowed, OUTSIDE)
    if top_k is not None:
        logits = keep_top_k(logits, top_k)
    return logits.softmax(dim=-1)


def copy(A: Tensor, c: Tensor) -> Tensor:
    """Copy (Eq. 1): y_j = sum_i A_ij c_i. A (B, M, N), labels c (B, N, K) -> y (B, M, K)."""
    return A @ c


def point_and_copy(
    target: Tensor,
    reference: Tensor,
    labels: Tensor,
    temperature: float = 1.0,
    l2: bool = False,
    radius: int | None = None,
    top_k: int | None = None,
    anywhere: int = 0,
) -> Tensor:
    """Eq. 2 then Eq. 1 on maps, without ever building the whole (M, N) matrix.

    Equal to :func:`affinity` then :func:`copy` (up to rounding; an exact tie at the k-th place may fall the other way).

    Args:
        target: (B, D, h, w) embeddings of the target frame.
        reference: (B, R, D, h, w) embeddings of R reference frames.
        labels: (B, R, K, h, w) their labels.
        temperature, l2, top_k: as in :func:`affinity`.
        radius: a target pixel points only at reference pixels within a square of +-radius cells; None means anywhere.
        anywhere: so many of the references, the first ones, are free of the radius.

    Returns:
        (B, K, h, w) labels of the target frame.
    """
    b, r, _, h, w = reference.shape
    if radius is None or radius >= max(h, w) - 1:
        anywhere = r
    kept = []  # what each group of references has to offer: logits (B, M, k) and their labels (B, M, k, K)
    if anywhere:
        kept.append(_offer_of_all(target, reference[:, :anywhere], labels[:, :anywhere], temperature, l2, top_k))
    if anywhere < r:
        kept.append(_offer_of_windows(target, reference[:, anywhere:], labels[:, anywhere:], temperature, l2, radius, top_k))
    logits, c = (torch.cat(parts, dim=2) for parts in zip(*kept, strict=True))
    if top_k is not None and logits.shape[2] > top_k:
        logits, index = logits.topk(top_k, dim=-1)
        c = c.gather(2, index[..., None].expand(-1, -1, -1, c.shape[3]))
    return (logits.softmax(-1)[..., None] * c).sum(2).mT.reshape(b, -1, h, w)


def _offer(logits: Tensor, c: Tensor, top_k: int | None) -> tuple[Tensor, Tensor]:
    """What a group of references offers each target pixel: its k best logits with their labels, or with no top-k their sum.

    Offers of several groups side by side, softmax and weighted sum: that is Eq. 2 and Eq. 1 over all groups at once.
    logits (B, M, N), c (B, N, K) -> (B, M, k), (B, M, k, K)
    """
    if top_k is None:
        return logits.logsumexp(-1, keepdim=True), copy(logits.softmax(-1), c)[:, :, None]
    value, index = logits.topk(min(top_k, logits.shape[-1]), dim=-1)
    return value, c.gather(1, index.flatten(1)[..., None].expand(-1, -1, c.shape[-1])).unflatten(1, index.shape[1:])


def _offer_of_all(
    target: Tensor, reference: Tensor, labels: Tensor, temperature: float, l2: bool, top_k: int | None
) -> tuple[Tensor, Tensor]:
    """:func:`_offer` of whole frames, for some target pixels at a time: that keeps the working set small."""
    f_j, f_i, c_i = pixels(target), pixels(reference), pixels(labels)
    rows = max(1, 2**21 // f_i.shape[1])
    parts = [_offer(similarity(some, f_i, temperature, l2), c_i, top_k) for some in f_j.split(rows, dim=1)]
    return tuple(torch.cat(part, dim=1) for part in zip(*parts, strict=True))


def _tiles(maps: Tensor, side: int, step: int) -> Tensor:
    """Cut one strip (B, R, side, W, C) into overlapping squares, each flattened to pixels: (B * tiles, R * side * side, C)."""
    cut = maps.unfold(3, side, step)  # (B, R, side, tiles, C, side)
    return cut.permute(0, 3, 1, 2, 5, 4).flatten(2, 4).flatten(0, 1)


def _window_of_tile(tile: int, radius: int, frames: int, like: Tensor) -> Tensor:
    """0 where a target of a tile may look within the tile's grown neighbourhood, -inf elsewhere: (tile^2, N')."""
    inner = torch.arange(tile, device=like.device) + radius
    outer = torch.arange(tile + 2 * radius, device=like.device)
    near = (inner[:, None] - outer).abs() <= radius  # (tile, side)
    near = (near[:, None, :, None] & near[None, :, None, :]).flatten(2).flatten(0, 1)  # (tile^2, side^2)
    return torch.zeros(near.shape, dtype=like.dtype, device=like.device).masked_fill_(~near, OUTSIDE).repeat(1, frames)


def _offer_of_windows(
    target: Tensor, reference: Tensor, labels: Tensor, temperature: float, l2: bool, radius: int, top_k: int | None
) -> tuple[Tensor, Tensor]:
    """:func:`_offer` of each target's window, in tiles: all targets of a tile share one neighbourhood, a small matrix product.

    Memory is w/tile times (tile^2) x (R * (tile + 2 radius)^2), whatever the height, instead of (h*w) x (R*h*w).
    """
    b, r, _, h, w = reference.shape
    tile = min(8, radius + 1)  # no wider than the window, so that even padding targets see some reference pixel
    side = tile + 2 * radius
    ny, nx = -(-h // tile), -(-w // tile)
    bottom, right = ny * tile - h, nx * tile - w
    grow = (radius, right + radius, radius, bottom + radius)
    near = _window_of_tile(tile, radius, r, target)
    # Pixels beyond the frame are barred by a mask of their own, never by a value of the similarity.
    size = (1, 1, ny * tile + 2 * radius, nx * tile + 2 * radius, 1)
    barred = torch.full(size, OUTSIDE, dtype=target.dtype, device=target.device)
    barred[:, :, radius : radius + h, radius : radius + w] = 0
    # Channels last: then a pixel is one piece of memory, and cutting tiles out copies whole pixels.
    reference, labels = (F.pad(maps, grow).movedim(2, -1).contiguous() for maps in (reference, labels))
    target = F.pad(target, (0, right, 0, bottom))[:, None].movedim(2, -1)
    strips = []
    for y in range(0, ny * tile, tile):  # one strip of tiles at a time keeps the working set small
        f_i = _tiles(reference[:, :, y : y + side], side, tile)  # (B * nx, N', D)
        c_i = _tiles(labels[:, :, y : y + side], side, tile)  # (B * nx, N', K)
        f_j = _tiles(target[:, :, y : y + tile], tile, tile)  # (B * nx, tile^2, D)
        logits = similarity(f_j, f_i, temperature, l2)
        logits += near
        logits += _tiles(barred[:, :, y : y + side], side, tile).mT.repeat(b, 1, r)  # (B * nx, 1, N')
        strips.append(_offer(logits, c_i, top_k))  # (B * nx, tile^2, k), (B * nx, tile^2, k, K)

    def whole(parts: tuple[Tensor, ...]) -> Tensor:
        """Strips of tiles (B * nx, tile^2, ...) -> (B, h * w, ...)."""
        strip = torch.stack(parts).unflatten(2, (tile, tile)).unflatten(1, (b, nx))  # (ny, B, nx, tile, tile, ...)
        rows = strip.movedim(0, 1).transpose(2, 3)  # (B, ny, tile, nx, tile, ...)
        return rows.flatten(1, 2).flatten(2, 3)[:, :h, :w].flatten(1, 2)

    return tuple(whole(parts) for parts in zip(*strips, strict=True))
