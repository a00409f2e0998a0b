"""Long work next to a live page: the work runs in a thread, everything that touches a widget runs in the kernel's loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")
EVERY = 0.15  # Seconds between two looks at how far the work is.
_running: set[asyncio.Task] = set()


class Cancelled(Exception):
    """Raised within the work when someone pressed Cancel."""


class Work:
    """One piece of long work: how far it is, and whether it should end."""

    def __init__(self):
        self.done, self.total = 0, 0
        self._stop = threading.Event()

    def cancel(self) -> None:
        """Ask it to end; it does when it next tells how far it is."""
        self._stop.set()

    def tell(self, done: int, total: int = 0) -> None:
        """For the work to call: so much is done.

        Raises:
            Cancelled: if it should end.
        """
        self.done, self.total = done, total
        if self._stop.is_set():
            raise Cancelled

    async def run(self, function: Callable[[Callable[..., None]], T], show: Callable[[int, int], None] = lambda done, total: None) -> T:
        """``function(tell)`` on another thread; meanwhile ``show(done, total)`` here, a few times a second."""
        task = asyncio.ensure_future(asyncio.to_thread(function, self.tell))
        while not task.done():
            await asyncio.wait({task}, timeout=EVERY)
            show(self.done, self.total)
        return task.result()


async def aside(function: Callable[[], T]) -> T:
    """``function()`` on another thread; the kernel answers clicks until it returns."""
    return await asyncio.to_thread(function)


def start(job: Coroutine) -> None:
    """Begin a job from a button: in the kernel's loop where one runs, else at once and to its end (a plain program, a test)."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(job)
        return
    task = loop.create_task(job)
    _running.add(task)  # a loop holds its tasks weakly
    task.add_done_callback(_running.discard)
