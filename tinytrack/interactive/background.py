"""Run long work in a thread next to a live page; everything that touches a widget stays in the kernel's event loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")
EVERY = 0.15  # seconds between two updates of the progress that is shown
_running: set[asyncio.Task] = set()


class Cancelled(Exception):
    """Raised inside the work after someone pressed Cancel."""


class Work:
    """One piece of long work: its progress, and whether it should stop."""

    def __init__(self):
        self.done, self.total = 0, 0
        self._stop = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop, which happens when it next reports its progress."""
        self._stop.set()

    def tell(self, done: int, total: int = 0) -> None:
        """Report progress; called by the work itself.

        Raises:
            Cancelled: if the work should stop.
        """
        self.done, self.total = done, total
        if self._stop.is_set():
            raise Cancelled

    async def run(self, function: Callable[[Callable[..., None]], T], show: Callable[[int, int], None] = lambda done, total: None) -> T:
        """Run ``function(tell)`` on another thread and return its result.

        Meanwhile ``show(done, total)`` is called here, a few times per second.
        """
        task = asyncio.ensure_future(asyncio.to_thread(function, self.tell))
        while not task.done():
            await asyncio.wait({task}, timeout=EVERY)
            show(self.done, self.total)
        return task.result()


async def aside(function: Callable[[], T]) -> T:
    """Run ``function()`` on another thread and return its result; the kernel keeps answering clicks meanwhile."""
    return await asyncio.to_thread(function)


def start(job: Coroutine) -> None:
    """Start a job from a button: in the kernel's event loop if one is running, else right here until it ends (in a script or a test)."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(job)
        return
    task = loop.create_task(job)
    _running.add(task)  # the event loop itself holds only weak references to its tasks
    task.add_done_callback(_running.discard)
