"""The pointer, fast: a tile of targets at a time is compared with the reference pixels that it may point at, and with no others.

Letters and shapes as in ``pointer.py``, to which every answer here is equal.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from .pointer import OUTSIDE, copy

TILE = 10  # cells a side; larger tiles waste more of their common window, smaller ones make small and slow matrix products
BLOCK = 8  # values of which only the largest is looked at first, when the k largest are sought
AXES = 24  # of the embedding, along which the pixels of frames without a window are judged before they are compared


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

    Equal to :func:`~tinytrack.pointer.affinity` then :func:`~tinytrack.pointer.copy` (up to rounding; an exact tie at the k-th
    place may fall the other way).

    Args:
        target: (B, D, h, w) embeddings of the target frame.
        reference: (B, R, D, h, w) embeddings of R reference frames; fastest if the D numbers of a pixel lie side by side in memory.
        labels: (B, R, K, h, w) their labels.
        temperature, l2, top_k: as in :func:`~tinytrack.pointer.affinity`.
        radius: a target pixel points only at reference pixels within a square of +-radius cells; None means anywhere.
        anywhere: so many of the references, the first ones, are free of the radius.

    Returns:
        (B, K, h, w) labels of the target frame.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top-k needs k >= 1, got {top_k}")
    r, _, h, w = reference.shape[1:]
    if radius is None or radius >= max(h, w) - 1:
        radius, anywhere = 0, r
    target, reference, labels = target.movedim(1, -1) / temperature, reference.movedim(2, -1), labels.movedim(2, -1)
    if l2:  # -|f_i - f_j|^2 / 2 is f_i . f_j - |f_i|^2 / 2 and a constant of the target, which the softmax ignores
        target = torch.cat([target, torch.full_like(target[..., :1], 1 / temperature)], dim=-1)
        reference = torch.cat([reference, -0.5 * reference.square().sum(-1, keepdim=True)], dim=-1)
    with _each_thread_alone(target.device) as run:
        maps = [_tile_by_tile(*item, radius, top_k, anywhere, run) for item in zip(target, reference, labels, strict=True)]
    return torch.stack(maps).movedim(-1, 1)


def _tile_by_tile(
    target: Tensor, reference: Tensor, labels: Tensor, radius: int, top_k: int | None, anywhere: int, run: Callable
) -> Tensor:
    """Target (h, w, D), reference (R, h, w, D), labels (R, h, w, K) -> (h, w, K). ``run`` is ``map`` or does the same on threads.

    The m targets of a tile share one neighbourhood: a small matrix product, whose result does not leave the processor's cache.
    Logits have the references first here, (n, m): so the product and the maxima are quickest.
    """
    r, h, w, _ = reference.shape
    c = labels.flatten(0, 2)
    number = torch.arange(len(c), device=c.device).view(r, h, w)  # of each reference pixel: its row in c
    windows, far = reference[anywhere:], reference[:anywhere].flatten(0, 2)
    may_win = _judge(far, top_k) if top_k and len(windows) and len(far) else None
    tile = TILE if target.device.type == "cpu" else 4 * TILE  # a GPU wants few and large steps
    bars = _bars(tile, radius, target)
    y = c.new_empty(h, w, c.shape[1])

    def column_of_tiles(span: tuple[slice, slice, slice]) -> None:
        columns, near_columns, bar_columns = span
        strip = windows[:, :, near_columns].contiguous()  # so each window is a matrix as it lies in memory, without another copy
        for rows, near_rows, bar_rows in _spans(h, tile, radius):
            f_j = target[rows, columns]
            shape, f_j = f_j.shape[:2], f_j.flatten(0, 1)
            offers = []  # logits and the numbers of the pixels they are of; with top-k (k, m) both, else (n, m) and (n,)
            if len(windows):
                logits = strip[:, near_rows].flatten(1, 2) @ f_j.T  # (R, n, m)
                barred = bars[bar_rows, bar_columns, : shape[0], : shape[1]].reshape(-1, len(f_j))
                index = number[anywhere:, near_rows, near_columns].flatten()
                if top_k is None:
                    offers.append(((logits + barred).flatten(0, 1), index))
                else:
                    logits, at = _best_of_windows(logits, barred, top_k)
                    offers.append((logits, index[at]))
            if len(far):
                index = may_win(f_j, logits) if may_win else number[:anywhere].flatten()
                logits = (far[index] if may_win else far) @ f_j.T
                if top_k is not None:
                    logits, at = _best(logits, top_k)
                    index = index[at]
                offers.append((logits, index))
            logits, index = (torch.cat(parts) for parts in zip(*offers, strict=True))
            if top_k is None:
                found = copy(logits.T.softmax(1), c[index])
            else:
                logits, at = _best(logits, top_k)  # jointly
                found = F.embedding_bag(index.gather(0, at).T, c, per_sample_weights=logits.T.softmax(1), mode="sum")  # copy of few
            y[rows, columns] = found.unflatten(0, shape)

    list(run(column_of_tiles, _spans(w, tile, radius)))
    return y


@contextmanager
def _each_thread_alone(device: torch.device) -> Iterator[Callable]:
    """A ``map`` on as many threads as torch may use, in each of which torch uses one.

    Torch's own threads meet after every step. Steps are small here, and where another program has taken one of the cores, waiting
    for each other takes longer than the work: it has made this ten times slower than one thread.
    """
    threads = torch.get_num_threads()
    if threads == 1 or device.type != "cpu" or torch.is_grad_enabled():  # the gradients' record is not for several threads
        yield map
        return
    inference = torch.is_inference_mode_enabled()  # it holds for one thread, as all modes do

    def side_by_side(work: Callable, items: Iterable) -> Iterator:
        def alone(item):
            with torch.inference_mode(inference), torch.no_grad():
                return work(item)

        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return pool.map(alone, items)

    try:
        torch.set_num_threads(1)
        yield side_by_side
    finally:
        torch.set_num_threads(threads)


def _spans(length: int, tile: int, radius: int) -> Iterator[tuple[slice, slice, slice]]:
    """Cut an axis into tiles: for each its cells, the cells within ``radius`` of any of them, and where these stand in _bars."""
    for start in range(0, length, tile):
        stop, low, high = min(start + tile, length), max(start - radius, 0), min(start + tile + radius, length)
        yield slice(start, stop), slice(low, high), slice(low - start + radius, high - start + radius)


def _bars(tile: int, radius: int, like: Tensor) -> Tensor:
    """0 where a target of a tile may look within the tile's neighbourhood, -inf elsewhere: (side, side, tile, tile)."""
    inner = torch.arange(tile, device=like.device) + radius
    outer = torch.arange(tile + 2 * radius, device=like.device)
    near = (outer[:, None] - inner).abs() <= radius  # (side, tile)
    near = near[:, None, :, None] & near[None, :, None, :]
    return torch.zeros(near.shape, dtype=like.dtype, device=like.device).masked_fill_(~near, OUTSIDE)


def _best(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest logits of each column, in falling order, and the rows where they stand: (n, m) -> (k, m), (k, m).

    What is among the k largest stands in one of the k blocks with the largest maxima. So maxima of blocks are taken, which is
    quick, the k best blocks are found in the same way, and only their values are sorted.
    """
    n, m = logits.shape
    if n <= 2 * BLOCK * k:
        return logits.topk(min(k, n), dim=0)
    count = n // BLOCK  # a block is every count-th row
    _, block = _best(logits[: count * BLOCK].unflatten(0, (BLOCK, count)).amax(0), k)
    at = (block + torch.arange(0, count * BLOCK, count, device=block.device)[:, None, None]).flatten(0, 1)
    if n % BLOCK:
        left_over = torch.arange(count * BLOCK, n, device=block.device)
        at = torch.cat([at, left_over[:, None].expand(-1, m)])
    value, best = logits.gather(0, at).topk(k, dim=0)
    return value, at.gather(0, best)


def _best_of_windows(logits: Tensor, barred: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """:func:`_best` of R windows: logits (R, n, m), barred (n, m) 0 or -inf -> (k, m), and rows of logits.flatten(0, 1), (k, m).

    A block is one cell of the window in all R frames: one maximum, and one bar, for them all.
    """
    r, n, _ = logits.shape
    largest, cell = _best(logits.amax(0) + barred, k)
    value, best = _best(logits.gather(1, cell.expand(r, -1, -1)).masked_fill(largest == OUTSIDE, OUTSIDE).flatten(0, 1), k)
    at = best % len(cell)
    return value, cell.gather(0, at) + n * torch.div(best, len(cell), rounding_mode="floor")


def _judge(far: Tensor, k: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Which of the pixels far (N, D) may be among the best of any target of a tile, at a fraction of the price of comparing them?

    In turned axes, the few of largest variance first, f_i . f_j is the product along these plus that of the two remainders,
    which is at most the product of the remainders' lengths (Cauchy and Schwarz). No pixel that could win is ever missed.
    """
    with torch.no_grad():
        _, axes = torch.linalg.eigh(far.T @ far)
        axes = axes.flip(1)

        def turn(f: Tensor, last: Tensor) -> Tensor:
            few, rest = (f @ axes).tensor_split([AXES], dim=1)
            return torch.cat([few, rest.norm(dim=1, keepdim=True), last], dim=1)

        turned = turn(far, far.new_ones(len(far), 1))

    def may_win(f_j: Tensor, found: Tensor) -> Tensor:
        """f_j (m, D), found (<= k, m) their best logits so far, in falling order -> the pixels' numbers."""
        with torch.no_grad():
            least = found[-1] - 1e-5 * found[0].abs() if len(found) == k else torch.full_like(found[0], OUTSIDE)  # rounded: a bit less
            rise = turned @ turn(f_j, -least[:, None]).T  # how far above the least of those found a pixel may lie
            return (rise.amax(1) >= 0).nonzero()[:, 0]

    return may_win
