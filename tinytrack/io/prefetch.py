"""Prefetch: make the next items of a stream in a background thread while the current one is used."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterable[T], size: int = 2) -> Iterator[T]:
    """Yield the same items in the same order, making up to ``size`` of them ahead of time in a background thread.

    This pays off if FFmpeg, numpy or torch makes the items, because they leave Python free for other threads. An error in the
    thread is raised here, when its item is due. However the iteration ends (at the end, early, by an error or Ctrl-C), the thread
    has ended and ``items`` is closed before this returns, so no file stays open.

    Args:
        items: any iterable. It is advanced in the thread, where modes set by the caller, such as torch's inference mode, are off.
        size: at least 1; this many items are in memory at a time, in addition to the one in use.
    """
    if size < 1:
        raise ValueError(f"prefetch needs a size of at least one item, got {size}")
    return _prefetched(iter(items), size)


def _prefetched(items: Iterator[T], size: int) -> Iterator[T]:
    end = object()
    thread = ThreadPoolExecutor(1, "prefetch")
    try:
        coming = deque(thread.submit(next, items, end) for _ in range(size))
        while (item := coming.popleft().result()) is not end:
            coming.append(thread.submit(next, items, end))
            yield item
    finally:
        thread.shutdown(cancel_futures=True)  # waits for the item that is being made, and starts no other
        getattr(items, "close", lambda: None)()
