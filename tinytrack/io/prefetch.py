"""Prefetch: make the next items of a stream in a background thread while the current one is used."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterable[T], size: int = 2) -> Iterator[T]:
    """The same items in the same order, of which up to ``size`` are made before they are asked for, in a thread.

    It pays where making an item is the work of FFmpeg, numpy or torch, during which Python is free for other threads. What
    goes wrong in the thread is raised here, in its turn. However reading ends (to the end, early, by an error or Ctrl-C), the
    thread has ended and ``items`` is closed before this returns: no file stays open.

    Args:
        items: any iterable. It is advanced in the thread, which torch's inference mode and the like, set outside, do not reach.
        size: at least 1; so many items and the one in use are in memory at a time.
    """
    if size < 1:
        raise ValueError(f"expected to read at least one item ahead, got {size}")
    return _prefetched(iter(items), size)


def _prefetched(items: Iterator[T], size: int) -> Iterator[T]:
    end = object()
    thread = ThreadPoolExecutor(1, "ahead")
    try:
        coming = deque(thread.submit(next, items, end) for _ in range(size))
        while (item := coming.popleft().result()) is not end:
            coming.append(thread.submit(next, items, end))
            yield item
    finally:
        thread.shutdown(cancel_futures=True)  # waits for the item in the making, and begins no other
        getattr(items, "close", lambda: None)()
