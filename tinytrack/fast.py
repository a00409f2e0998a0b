"""The pointer, fast. Skip this file at first reading: every result here equals ``copy(affinity(...), labels)`` of ``pointer.py``.

Training uses torch's fused attention. Tracking works tile by tile: the targets of a small square are compared only with the reference
pixels that they may point at, so neither form ever stores the whole matrix A. Letters and shapes are those of ``pointer.py``.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from .pointer import OUTSIDE, copy

TILE = 10  # cells per side; larger tiles waste more of their shared window, smaller ones make small and slow matrix products
AXES = 24  # principal axes of the embeddings that are compared first, to discard most pixels of a frame without a window
BLOCK = 8  # values per block in the search for the k largest: only each block's maximum is looked at first


def attend(target: Tensor, reference: Tensor, labels: Tensor, temperature: float = 1.0) -> Tensor:
    """Point and copy (Eq. 2, then Eq. 1) with torch's fused attention; differentiable.

    Args:
        target: (B, M, D) embeddings f_j.
        reference: (B, N, D) embeddings f_i.
        labels: (B, N, K) labels c_i.
        temperature: of Eq. 2.

    Returns:
        y (B, M, K).
    """
    k, d = labels.shape[-1], target.shape[-1]
    if k < d:
        labels = F.pad(labels, (0, d - k))  # the fused kernel for CPUs needs labels as wide as embeddings
    heads = (x[:, None] for x in (target, reference, labels))  # the kernels expect a dimension of heads
    return F.scaled_dot_product_attention(*heads, scale=1 / temperature)[:, 0, :, :k]


def point_and_copy(
    target: Tensor,
    reference: Tensor,
    labels: Tensor,
    temperature: float = 1.0,
    radius: int | None = None,
    top_k: int | None = None,
    anywhere: int = 0,
    cells: Tensor | None = None,
) -> Tensor:
    """Point and copy (Eq. 2, then Eq. 1) on maps, with a window and top-k.

    Equal to :func:`~tinytrack.pointer.affinity` followed by :func:`~tinytrack.pointer.copy`, up to rounding; an exact tie at the
    k-th place may fall the other way.

    Args:
        target: (B, D, h, w) embeddings of the target frame.
        reference: (B, R, D, h, w) embeddings of R reference frames; fastest if the D numbers of a pixel are adjacent in memory.
        labels: (B, R, K, h, w) their labels.
        temperature, top_k: as in :func:`~tinytrack.pointer.affinity`.
        radius: a target pixel points only within a square of +-radius cells; None: anywhere.
        anywhere: the first ``anywhere`` references ignore the radius.
        cells: (B, h, w) bool, the target cells to compute; None: all. The others cost nothing, and their labels are zero.

    Returns:
        (B, K, h, w) labels of the target frame.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top-k needs k >= 1, got {top_k}")
    # channels last, temperature divided once
    target, reference, labels = target.movedim(1, -1) / temperature, reference.movedim(2, -1), labels.movedim(2, -1)
    maps = []
    for b, c in enumerate(labels.flatten(1, 3)):

        def copied(logits: Tensor, index: Tensor, c: Tensor = c) -> Tensor:
            if top_k is None:
                return copy(logits.T.softmax(1), c[index])
            return F.embedding_bag(index.T, c, per_sample_weights=logits.T.softmax(1), mode="sum")

        y = c.new_zeros(*target.shape[1:3], c.shape[1])
        maps.append(_tile_by_tile(target[b], reference[b], None if cells is None else cells[b], radius, top_k, anywhere, copied, y))
    return torch.stack(maps).movedim(-1, 1)


def best_cells(target: Tensor, reference: Tensor, radius: int | None, k: int, anywhere: int = 0, cells: Tensor | None = None) -> Tensor:
    """Find the k reference cells that fit each target cell best: target (h, w, D), reference (R, h, w, D) -> (h, w, k).

    They are rows of ``reference.flatten(0, 2)``, and -1 where there are fewer than k and at targets that are not among ``cells`` (h, w).
    The other arguments are those of :func:`point_and_copy`.
    """

    def numbers(logits: Tensor, index: Tensor) -> Tensor:
        return F.pad(index.masked_fill(logits == OUTSIDE, -1).T, (0, k - len(index)), value=-1)

    best = torch.full((*target.shape[:2], k), -1, device=target.device)
    return _tile_by_tile(target, reference, cells, radius, k, anywhere, numbers, best)


def _tile_by_tile(
    target: Tensor,
    reference: Tensor,
    cells: Tensor | None,
    radius: int | None,
    top_k: int | None,
    anywhere: int,
    finish: Callable,
    y: Tensor,
) -> Tensor:
    """Point from target (h, w, D) at reference (R, h, w, D), and write what ``finish`` makes of it to y (h, w, K), which is returned.

    The m targets of a tile share one neighbourhood of n reference pixels, so their logits are a small matrix product that stays in
    the processor's cache. Logits are (n, m) here, references first, because products and maxima are fastest that way. ``finish`` is
    given the logits and the pixel numbers: with top-k both (k, m), otherwise (n, m) and (n,). It returns (m, K).
    """
    r, h, w, _ = reference.shape
    if radius is None or radius >= max(h, w) - 1:
        radius, anywhere = 0, r
    if cells is None:
        cells = torch.ones(h, w, dtype=torch.bool, device=target.device)
    number = torch.arange(r * h * w, device=target.device).view(r, h, w)
    windows, far = reference[anywhere:], reference[:anywhere].flatten(0, 2)
    may_win = _pruner(far, top_k) if top_k and len(windows) and len(far) else None
    tile = TILE if target.device.type == "cpu" else 4 * TILE  # a GPU prefers few large steps
    outside = _outside(tile, radius, target)
    wanted = cells.cpu()  # looked at tile by tile

    def column_of_tiles(span: tuple[slice, slice, slice]) -> None:
        columns, near_columns, outside_columns = span
        if not wanted[:, columns].any():
            return
        strip = windows[:, :, near_columns].contiguous()  # each window is then a matrix in memory, without another copy
        for rows, near_rows, outside_rows in _spans(h, tile, radius):
            # the targets of this tile, (m, D)
            some = wanted[rows, columns]
            if not some.any():
                continue
            whole = bool(some.all())
            at = slice(None) if whole else cells[rows, columns].flatten().nonzero()[:, 0]
            shape, f_j = some.shape, target[rows, columns].flatten(0, 1)[at]
            candidates = []  # pairs (logits, pixel numbers)
            # references with a window
            if len(windows):
                logits = strip[:, near_rows].flatten(1, 2) @ f_j.T  # (R, n, m)
                barred = outside[outside_rows, outside_columns, : shape[0], : shape[1]].reshape(-1, shape.numel())[:, at]
                index = number[anywhere:, near_rows, near_columns].flatten()
                if top_k is None:
                    candidates.append(((logits + barred).flatten(0, 1), index))
                else:
                    logits, best = _top_k_of_windows(logits, barred, top_k)
                    candidates.append((logits, index[best]))
            # references without a window; most of their pixels are discarded before they are compared
            if len(far):
                index = may_win(f_j, logits) if may_win else number[:anywhere].flatten()
                logits = (far[index] if may_win else far) @ f_j.T
                if top_k is not None:
                    logits, best = _top_k(logits, top_k)
                    index = index[best]
                candidates.append((logits, index))
            # the candidates of all references together
            logits, index = (torch.cat(parts) for parts in zip(*candidates, strict=True))
            if top_k is not None:
                logits, best = _top_k(logits, top_k)
                index = index.gather(0, best)
            found = finish(logits, index)
            if whole:
                y[rows, columns] = found.unflatten(0, shape)
            else:
                y[rows, columns][cells[rows, columns]] = found

    with _one_thread_per_column(target.device) as run:
        list(run(column_of_tiles, _spans(w, tile, radius)))
    return y


@contextmanager
def _one_thread_per_column(device: torch.device) -> Iterator[Callable]:
    """Yield a ``map`` on as many threads as torch may use, in each of which torch itself uses one.

    Torch's own threads wait for each other after every operation. Operations are small here, so whenever another program occupies
    a core, waiting takes longer than working: that made this function ten times slower than a single thread.
    """
    threads = torch.get_num_threads()
    if threads == 1 or device.type != "cpu" or torch.is_grad_enabled():  # autograd's record must not be written by several threads
        yield map
        return
    inference = torch.is_inference_mode_enabled()  # like all of torch's modes it applies to one thread only

    def parallel_map(work: Callable, items: Iterable) -> Iterator:
        def in_thread(item):
            with torch.inference_mode(inference), torch.no_grad():
                return work(item)

        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return pool.map(in_thread, items)

    try:
        torch.set_num_threads(1)
        yield parallel_map
    finally:
        torch.set_num_threads(threads)


def _spans(length: int, tile: int, radius: int) -> Iterator[tuple[slice, slice, slice]]:
    """Cut an axis into tiles: yield each tile's cells, the cells within ``radius`` of it, and the place of these in ``_outside``."""
    for start in range(0, length, tile):
        stop, low, high = min(start + tile, length), max(start - radius, 0), min(start + tile + radius, length)
        yield slice(start, stop), slice(low, high), slice(low - start + radius, high - start + radius)


def _outside(tile: int, radius: int, like: Tensor) -> Tensor:
    """Make the additive mask of a tile's neighbourhood, 0 where a target may point and -inf elsewhere: (side, side, tile, tile)."""
    inner = torch.arange(tile, device=like.device) + radius
    outer = torch.arange(tile + 2 * radius, device=like.device)
    near = (outer[:, None] - inner).abs() <= radius  # (side, tile)
    near = near[:, None, :, None] & near[None, :, None, :]
    return torch.zeros(near.shape, dtype=like.dtype, device=like.device).masked_fill_(~near, OUTSIDE)


def _top_k(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k largest logits of each column, in descending order, and their rows: (n, m) -> (k, m), (k, m).

    The k largest values are in the k blocks with the largest maxima. Taking maxima of blocks is fast, the best blocks are found
    recursively, and only their values are sorted; ``torch.topk`` on everything takes up to 1.6 times as long without a window.
    """
    n, m = logits.shape
    if n <= 2 * BLOCK * k:
        return logits.topk(min(k, n), dim=0)
    # the k best blocks; a block is every count-th row
    count = n // BLOCK
    _, block = _top_k(logits[: count * BLOCK].unflatten(0, (BLOCK, count)).amax(0), k)
    at = (block + torch.arange(0, count * BLOCK, count, device=block.device)[:, None, None]).flatten(0, 1)
    if n % BLOCK:  # rows that fill no block
        left_over = torch.arange(count * BLOCK, n, device=block.device)
        at = torch.cat([at, left_over[:, None].expand(-1, m)])
    # the k best values in them
    value, best = logits.gather(0, at).topk(k, dim=0)
    return value, at.gather(0, best)


def _top_k_of_windows(logits: Tensor, barred: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k largest logits over R windows: logits (R, n, m), barred (n, m) 0 or -inf -> (k, m), rows of the flattened logits (k, m).

    A block is one cell of the window in all R frames, so the mask is added to one maximum instead of R logits.
    """
    r, n, _ = logits.shape
    largest, cell = _top_k(logits.amax(0) + barred, k)
    value, best = _top_k(logits.gather(1, cell.expand(r, -1, -1)).masked_fill(largest == OUTSIDE, OUTSIDE).flatten(0, 1), k)
    at = best % len(cell)
    return value, cell.gather(0, at) + n * torch.div(best, len(cell), rounding_mode="floor")


def _pruner(far: Tensor, k: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Prepare to tell which pixels far (N, D) may be among the k best of any target of a tile, without comparing them in full.

    In principal axes, f_i . f_j is the product along the first few axes plus the product of the remainders, and the latter is at
    most the product of their lengths (Cauchy-Schwarz). The bound is never too small, so no pixel that could win is discarded.
    """
    with torch.no_grad():
        _, axes = torch.linalg.eigh(far.T @ far)
        axes = axes.flip(1)  # largest variance first

        def bound_factors(f: Tensor, last: Tensor) -> Tensor:
            few, rest = (f @ axes).tensor_split([AXES], dim=1)
            return torch.cat([few, rest.norm(dim=1, keepdim=True), last], dim=1)

        turned = bound_factors(far, far.new_ones(len(far), 1))

    def may_win(f_j: Tensor, found: Tensor) -> Tensor:
        """f_j (m, D) and their best logits so far, found (<= k, m) in descending order -> pixel numbers."""
        with torch.no_grad():
            # the k-th best logit so far, a little less because of rounding
            least = found[-1] - 1e-5 * found[0].abs() if len(found) == k else torch.full_like(found[0], OUTSIDE)
            margin = turned @ bound_factors(f_j, -least[:, None]).T  # upper bound of each logit, minus the k-th best
            return (margin.amax(1) >= 0).nonzero()[:, 0]

    return may_win
