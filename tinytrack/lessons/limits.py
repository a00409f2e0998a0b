"""Run a learner's function without the risk of a hanging kernel: a limit on its time, its memory and the items that it yields."""

import contextlib
import ctypes
import itertools
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

SECONDS = 10.0
GIGABYTES = 2.0
ITEMS = 10_000
_TICK = 0.1


class TimeUp(BaseException):
    """The function ran for too long. Not an Exception, so that ``except Exception`` in the function does not swallow it."""


class MemoryUp(BaseException):
    """The function took too much memory."""


class EndlessIterator(Exception):
    """The function yields more items than any right answer has."""


@contextlib.contextmanager
def limited(seconds: float = SECONDS, gigabytes: float = GIGABYTES) -> Iterator[None]:
    """Raise :class:`TimeUp` or :class:`MemoryUp` in the block when it takes too long or too much memory.

    In the main thread, an alarm signal interrupts even a sleep. Elsewhere, and on Windows, a second thread makes Python raise the
    exception at the next instruction. Neither can stop a loop inside compiled code.
    """
    deadline, most = time.monotonic() + seconds, _memory() + gigabytes * 2**30

    def reason() -> type[BaseException] | None:
        if time.monotonic() > deadline:
            return TimeUp
        return MemoryUp if _memory() > most else None

    alarm = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    with _signals(reason) if alarm else _watcher(reason):
        yield


@contextlib.contextmanager
def _signals(reason) -> Iterator[None]:
    """Ask for the reason to stop whenever a timer goes off; afterwards the previous handler and timer are restored."""

    def tick(number, frame):
        why = reason()
        if why:
            raise why

    handler = signal.signal(signal.SIGALRM, tick)
    started = time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)  # None: the handler was not set from Python
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 1e-3), interval)


@contextlib.contextmanager
def _watcher(reason) -> Iterator[None]:
    """Ask for the reason to stop in a second thread, which makes Python raise it in this one."""
    here, done, lock = threading.get_ident(), threading.Event(), threading.Lock()

    def watch():
        while not done.wait(_TICK):
            with lock:
                why = None if done.is_set() else reason()
                if why:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(here), ctypes.py_object(why))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with lock:
            done.set()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(here), None)  # an exception that is not raised yet
        thread.join()


def _memory() -> float:
    """Return the most memory that this process has held so far, in bytes; 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def read(value: Any, most: int = ITEMS) -> Any:
    """Turn generators and other iterators into lists, also inside lists and tuples, but do not read endless ones."""
    if isinstance(value, Iterator):
        items = list(itertools.islice(value, most + 1))
        if len(items) > most:
            raise EndlessIterator(f"more than {most:,} items")
        value = items
    if type(value) in (list, tuple) and any(isinstance(item, Iterator) or type(item) in (list, tuple) for item in value):
        value = type(value)(read(item, most) for item in value)
    return value
